"""Planning without the key, as a pull request from a stranger does: public fields only, and nothing to approve (DESIGN §4.1)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from reconciler.wallet.keys import Keys

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec: {displayName: Acme, network: embedded, gateway: {url: "https://acme.example"}}
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {name: tables}
spec: {serviceType: data-feed, capability: tables}
---
apiVersion: overlay/v1
kind: PaymentRule
metadata: {name: standard}
spec: {http: {min: 1, max: 100, window: 1h}}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: tables}
spec: {source: {glob: "data/*.csv"}, title: "Table {stem}"}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: sold}
spec: {source: {path: secret.csv}, title: Sold, price: 5, paymentRule: standard}
"""
SEALED = "Sealed parts not compared."


@pytest.fixture
def published(overlay):
    """A producer who has applied."""
    (overlay.folder / "data").mkdir()
    for name in ("a", "b"):
        (overlay.folder / "data" / f"{name}.csv").write_text(f"id\n{name}\n")
    (overlay.folder / "secret.csv").write_text("id\nsecret\n")
    write(overlay)
    overlay.run("apply", "--yes")
    return overlay


@pytest.fixture
def stranger(published):
    """Another machine in the same world: the manifests, and nothing of OVERLAY_HOME."""
    home = published.home.with_name("stranger")
    (home / "embedded").mkdir(parents=True)
    (home / "embedded" / "world").symlink_to(published.home / "embedded" / "world")
    return replace(published, home=home)


def write(overlay: Any, text: str = MANIFEST) -> None:
    (overlay.folder / "producer.yaml").write_text(text)


def last(ran: Any) -> str:
    return ran.stdout.splitlines()[-1]


def identity(overlay: Any) -> str:
    return overlay.json("identity", "show")["identityKey"]


def test_without_the_key_public_fields_are_compared_and_that_is_said(published, stranger):
    whose = ("--identity", identity(published))
    assert last(stranger.run("plan", *whose, "--detailed-exitcode")) == f"No changes. {SEALED}"

    write(
        stranger,
        MANIFEST.replace("Acme,", "Acme & Co,").replace("max: 100", "max: 999").replace("price: 5", "price: 6"),
    )
    (stranger.folder / "data" / "a.csv").write_text("id\nother\n")
    (stranger.folder / "secret.csv").write_text("id\nsecrets\n")
    seen = stranger.run("plan", *whose, "--detailed-exitcode", code=2)
    assert last(seen) == f"Plan: 0 to create, 3 to update, 0 to delete. {SEALED}"
    for said in ("displayName", "pricing.satoshis", "content.sha256", "content.size"):
        assert said in seen.stdout
    for unsaid in ("999", "Plan id"):
        assert unsaid not in seen.stdout
    assert not (stranger.home / "identity.key").exists()
    full = published.json("plan")
    assert full["body"]["summary"]["update"] == 4  # the rule, too


def test_what_was_planned_without_the_key_is_never_applied(published, stranger):
    write(stranger, MANIFEST.replace("Acme,", "Acme & Co,"))
    whose = identity(published)
    found = stranger.run("plan", "--identity", whose, "--out", "plan.json", "--json").stdout

    assert "approved was" in published.run("apply", "--approved", json.loads(found)["id"], code=4).stderr
    assert "made without the key" in published.run("apply", "plan.json", code=4).stderr
    assert published.json("status")["generation"] == 1


def test_where_the_key_is_the_plan_is_the_whole_one_and_has_to_be_of_that_identity(published, request):
    with_key = published.json("plan", "--identity", identity(published))
    assert (with_key["id"], with_key["body"]["public_only"]) == (published.json("plan")["id"], False)

    other = Keys(request.node.name.encode().ljust(32)[:32]).identity
    assert "the key at hand is" in published.run("plan", "--identity", other, code=1).stderr
    assert "takes a public key" in published.run("plan", "--identity", "03", code=1).stderr


def test_an_identity_that_has_published_nothing_would_create_all(stranger, request):
    nobody = Keys(request.node.name.encode().ljust(32)[:32]).identity
    assert last(stranger.run("plan", "--identity", nobody)) == f"Plan: 7 to create, 0 to update, 0 to delete. {SEALED}"
