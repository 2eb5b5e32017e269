"""Two identities on one machine: a database each, and never one's coins or records in the other's (DESIGN §4.2)."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.keys import GATEWAY_KEY
from reconciler.wallet.gatewayfile import read_gateway, write_gateway

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec: {displayName: Acme, network: embedded, identity: {key: {file: KEY}}}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: tables}
spec: {source: {glob: "data/*"}, title: "Table {stem}"}
"""


@dataclass
class Machine:
    """One home with two keys; the manifest says which is used."""

    overlay: Any

    def use(self, key: str) -> None:
        (self.overlay.folder / "producer.yaml").write_text(MANIFEST.replace("KEY", key))

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in (self.overlay.home / "embedded").glob("*.db"))

    def live(self) -> set[str]:
        objects = self.overlay.json("state", "list")["objects"]
        return {each["object"] for each in objects if each["object"].startswith("record/")}


@pytest.fixture
def machine(overlay):
    """The first key has applied; the manifest names the second."""
    made = Machine(overlay)
    (overlay.folder / "data").mkdir()
    (overlay.folder / "data" / "a.csv").write_text("id,value\n1,one\n")
    for key in ("first.key", "second.key"):
        overlay.run("identity", "new", "--file", key)
    made.use("first.key")
    overlay.run("apply", "--yes")
    made.use("second.key")
    return made


def keys_of(machine: Machine) -> tuple[str, str]:
    found = []
    for key in ("first.key", "second.key"):
        machine.use(key)
        found.append(machine.overlay.json("identity", "show")["identityKey"])
    return found[0], found[1]


def test_without_the_override_a_plan_shows_the_refusal_and_nothing_else_begins(machine):
    overlay = machine.overlay
    first, second = keys_of(machine)
    document = overlay.json("plan")
    verdict = next(guard for guard in document["body"]["guards"] if guard["name"] == "identity")
    assert (verdict["value"], verdict["limit"]) == (second, first)
    assert (verdict["refused"], verdict["override"]) == (True, "--replace-identity")
    overlay.run("plan", "--detailed-exitcode", code=3)
    for arguments in (
        ("apply", "--yes"),
        ("destroy", "--yes"),
        ("state", "rebuild"),
        ("wallet", "fund"),
        ("wallet", "audit"),
        ("status",),
    ):
        said = overlay.run(*arguments, code=3).stderr
        assert first in said, arguments
        assert "--replace-identity" in said
    assert machine.files == ["state.db"]


def test_the_second_identity_publishes_from_its_own_database_and_the_first_finds_its_own_as_it_was(machine):
    overlay = machine.overlay
    first, second = keys_of(machine)
    before = overlay.json("plan", "--replace-identity")
    assert [notice["detail"] for notice in before["body"]["warnings"] if first in notice["detail"]]
    assert "coins" not in [guard["name"] for guard in before["body"]["guards"] if guard["refused"]]
    overlay.run("apply", "--yes", code=3)
    overlay.run("apply", "--yes", "--replace-identity", "--reason", "a key of its own")
    assert machine.files == [f"state-{second[:16]}.db", "state.db"]
    overlay.run("plan", "--detailed-exitcode")
    overlay.run("apply", "--yes")
    assert overlay.json("status")["generation"] == 1
    overlay.run("wallet", "audit")

    machine.use("first.key")
    overlay.run("plan", "--detailed-exitcode")
    overlay.run("wallet", "audit")
    (overlay.folder / "data" / "b.csv").write_text("id,value\n2,two\n")
    overlay.run("apply", "--yes")
    assert overlay.json("status")["generation"] == 2
    assert machine.live() == {
        "record/dataset/tables/data/a.csv",
        "record/dataset/tables/data/b.csv",
        "record/producer/acme",
    }

    machine.use("second.key")
    assert machine.live() == {"record/dataset/tables/data/a.csv", "record/producer/acme"}
    overlay.run("destroy", "--yes")
    machine.use("first.key")
    overlay.run("plan", "--detailed-exitcode")
    overlay.run("wallet", "audit")


def test_a_kept_plan_brings_its_override_with_it(machine):
    overlay = machine.overlay
    overlay.run("plan", "--out", "refused.json")
    overlay.run("apply", "refused.json", code=3)
    overlay.run("plan", "--replace-identity", "--out", "plan.json")
    overlay.run("apply", "plan.json")
    overlay.run("plan", "--detailed-exitcode")


def test_commands_without_a_key_show_what_the_first_identity_has(machine):
    overlay = machine.overlay
    overlay.run("apply", "--yes", "--replace-identity")
    (overlay.folder / "data" / "b.csv").write_text("id,value\n2,two\n")
    machine.use("first.key")
    overlay.run("apply", "--yes")
    for key in ("first.key", "second.key"):
        (overlay.home / key).unlink()
    assert "record/dataset/tables/data/b.csv" in machine.live()
    overlay.run("show", "dataset/tables/data/b.csv")
    overlay.run("db", "check")
    overlay.run("db", "upgrade")


def test_either_database_comes_back_when_it_is_lost(machine):
    overlay = machine.overlay
    overlay.run("apply", "--yes", "--replace-identity")
    (overlay.home / "embedded" / "state.db").unlink()
    machine.use("first.key")
    overlay.run("state", "rebuild")
    overlay.run("plan", "--detailed-exitcode")
    machine.use("second.key")
    overlay.run("plan", "--detailed-exitcode")
    for path in (overlay.home / "embedded").glob("state-*"):
        path.unlink()
    overlay.run("state", "rebuild", code=3)
    overlay.run("apply", "--yes", "--replace-identity")
    overlay.run("plan", "--detailed-exitcode")
    overlay.run("wallet", "audit")


def test_a_database_that_was_named_belongs_to_its_first_identity_for_good(machine, monkeypatch):
    overlay = machine.overlay
    named = {"DATABASE_URL": f"sqlite:///{overlay.home / 'embedded' / 'state.db'}"}
    ours = overlay.environment()
    monkeypatch.setattr(overlay, "environment", lambda: ours | named)
    monkeypatch.setenv("DATABASE_URL", named["DATABASE_URL"])
    for arguments in (("plan",), ("plan", "--replace-identity"), ("apply", "--yes", "--replace-identity")):
        assert "DATABASE_URL" in overlay.run(*arguments, code=3).stderr
    assert machine.files == ["state.db"]


def test_a_key_is_rotated_by_what_the_command_says(machine):
    """From the command's own words to the new key alone."""
    overlay = machine.overlay
    machine.use("first.key")
    made = overlay.json("identity", "rotate", "--transition", "168h")
    assert made["transition"] == "7d"
    written = MANIFEST.replace(", identity: {key: {file: KEY}}}", "}")
    spec = "\n".join(f"  {line}" for line in made["manifest"].splitlines())
    written = written.replace(
        "spec: {displayName: Acme, network: embedded}", f"spec:\n  displayName: Acme\n  network: embedded\n{spec}"
    )
    (overlay.folder / "producer.yaml").write_text(written)
    assert "Key rotation: " in overlay.run("plan").stdout
    overlay.run("plan", "--detailed-exitcode", code=2)
    backup = (overlay.home / "embedded" / "state.db").read_bytes()
    overlay.run("apply", "--yes")
    assert "drop identity.rotation" in overlay.run("plan", "--detailed-exitcode").stderr
    assert overlay.json("identity", "show")["identityKey"] == made["identityKey"]
    overlay.run("wallet", "audit")
    machine.use(Path(made["file"]).name)
    overlay.run("plan", "--detailed-exitcode")
    overlay.run("wallet", "audit")
    assert overlay.json("identity", "show")["identityKey"] == made["identityKey"]
    assert machine.files == ["state.db"]

    for path in (overlay.home / "embedded").glob("state.db*"):
        path.unlink()
    (overlay.home / "embedded" / "state.db").write_bytes(backup)  # a machine that has not heard of the rotation
    overlay.run("apply", "--yes", code=3)
    overlay.run("apply", "--yes", "--replace-identity")
    overlay.run("plan", "--detailed-exitcode")
    overlay.run("wallet", "audit")
    overlay.run("identity", "rotate", "--file", "first.key", code=1)
    overlay.run("identity", "rotate", "--transition", "soon", code=1)


def test_a_rotation_keeps_the_gateways_key_once_and_overwrites_no_other(machine):
    overlay = machine.overlay
    machine.use("first.key")
    gateway = overlay.json("identity", "show")["gatewayKey"]
    path = overlay.home / "gateway.key"
    made = overlay.json("identity", "rotate")
    kept = read_gateway(path, passphrase=None, toy=True)
    assert (kept.producer, kept.keys.identity) == (made["identityKey"], gateway)
    before = path.read_bytes()
    assert "gateway's key" not in overlay.run("identity", "rotate").stderr  # it is there
    assert path.read_bytes() == before
    path.unlink()
    other = replace(kept, keys=kept.keys.child(GATEWAY_KEY))
    assert write_gateway(path, other, passphrase=None, randomness=os.urandom)
    assert f"{path} holds another gateway's key: move it away" in overlay.run("identity", "rotate").stderr
    assert read_gateway(path, passphrase=None, toy=True).keys.identity == other.keys.identity
    path.write_text("{}")
    assert "damaged" in overlay.run("identity", "rotate", "--file", "none.key", code=1).stderr
    assert not (overlay.home / "none.key").exists()
