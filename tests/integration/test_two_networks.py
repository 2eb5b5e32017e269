"""Two networks in one repository: state is kept for each, and nothing of one is seen or touched in the other (DESIGN §6)."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from typing import Any

import pytest

pytestmark = [pytest.mark.long, pytest.mark.only("sqlite")]  # DATABASE_URL is bound to one network (DESIGN §6)

UNCHANGED = "No changes. The overlay matches the manifests."


def last(ran: Any) -> str:
    return ran.stdout.splitlines()[-1]


def titled(overlay: Any, title: str) -> None:
    manifest = overlay.folder / "producer.yaml"
    text = manifest.read_text()
    old = text.partition("displayName: ")[2].partition("\n")[0]
    manifest.write_text(text.replace(f"displayName: {old}", f"displayName: {title}"))


def root(overlay: Any, network: str) -> Any:
    return overlay.json("status", "--network", network)["root"]


def transactions(overlay: Any, network: str) -> set[bytes]:
    with sqlite3.connect(overlay.home / network / "state.db") as database:
        return {txid for (txid,) in database.execute("select txid from transactions")}


def test_what_is_applied_to_one_network_is_news_in_the_other(overlay, local):
    overlay.run("apply", "--yes")
    titled(overlay, "Second")
    assert last(overlay.run("apply", "--yes", "--network", "embedded")).startswith("Apply complete: ")
    here, there = root(overlay, "local"), root(overlay, "embedded")
    assert here != there

    assert "0 to create, 1 to update" in last(overlay.run("plan"))
    assert last(overlay.run("plan", "--network", "embedded")) == UNCHANGED
    overlay.run("apply", "--yes")
    assert root(overlay, "embedded") == there
    assert transactions(overlay, "local").isdisjoint(transactions(overlay, "embedded"))
    for network in ("local", "embedded"):
        overlay.run("wallet", "audit", "--network", network)
        assert len(copies(overlay, network)) == 2
    told = overlay.run("plan", "--json", "--network", "embedded").stdout
    for address in (local.ready["arc"], *(host["url"] for host in local.ready["storageHosts"])):
        assert address not in told

    shutil.rmtree(overlay.home / "embedded")
    assert last(overlay.run("plan")) == UNCHANGED


def copies(overlay: Any, network: str) -> list[dict[str, str]]:
    objects = overlay.json("state", "list", "--network", network)["objects"]
    return [each for each in objects if each["object"].startswith("replica/")]


def test_commands_without_a_path_take_the_named_network_the_only_one_or_the_manifests(overlay, local):
    one = replace(overlay, home=overlay.home.with_name("one"))
    one.run("apply", "--yes", "--network", "embedded")
    assert one.json("status")["network"] == "embedded"  # the only one that has state here

    overlay.run("apply", "--yes", "--network", "embedded")
    overlay.run("apply", "--yes")
    assert overlay.json("status")["network"] == "local"  # the manifest's
    assert overlay.json("status", "--network", "embedded")["network"] == "embedded"

    (overlay.folder / "producer.yaml").unlink()
    lost = overlay.run("status", code=1)
    assert "several networks here, and no manifest that names one: embedded, local" in lost.stderr
    assert "--network" in lost.stderr
    assert overlay.json("status", "--network", "local")["network"] == "local"
