"""`overlay watch` and `overlay state unlock` as people and supervisors run them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.apply.lease import this_process
from reconciler.cli.main import main
from reconciler.model.errors import LockedError
from reconciler.store.database import Database
from reconciler.store.leases import APPLY, Leases

pytestmark = pytest.mark.long

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec: {displayName: TITLE, network: embedded}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: tables}
spec: {source: {glob: "data/*"}, title: "Table {stem}"}
"""


@pytest.fixture
def written(overlay):
    """A folder with manifests and one file."""
    write(overlay, "Acme")
    (overlay.folder / "data").mkdir()
    (overlay.folder / "data" / "a.csv").write_text("id,value\n1,one\n")
    return overlay


def write(overlay: Any, title: str) -> None:
    (overlay.folder / "producer.yaml").write_text(MANIFEST.replace("TITLE", title))


def until(process: subprocess.Popen[str], event: str) -> dict[str, Any]:
    """Read what a watch says until it says this."""
    for line in process.stdout:
        said = json.loads(line)
        if said["event"] == event:
            return said
    pytest.fail(f"it ended without {event}")


def events(text: str) -> Iterator[str]:
    return (json.loads(line)["event"] for line in text.splitlines())


def test_it_applies_changes_as_they_come_and_ends_well_when_it_is_told_to(written):
    with written.started("watch") as watch:
        assert watch.ready == {"event": "round", "cause": "start", "refresh": True}
        assert until(watch.process, "applied")["generation"] == 1
        write(written, "Changed")
        assert until(watch.process, "round")["cause"] == "files"
        assert until(watch.process, "applied")["generation"] == 2
        assert watch.stop(signal.SIGTERM) == 0
        assert until(watch.process, "stopping") == {"event": "stopping"}
    assert "No changes." in written.run("plan").stdout
    assert written.json("state", "unlock") == {"holder": None, "released": False}


def test_once_is_one_round_with_the_exit_codes_of_apply(written):
    refused = written.run("watch", "--once", "--max-cost", "1", code=3)
    assert "add --max-cost" in refused.stderr
    spent = written.run("watch", "--once", "--max-cost-per-day", "1", code=3)
    assert "apply by hand or raise --max-cost-per-day" in spent.stderr
    assert written.json("state", "list")["objects"] == []

    done = written.run("watch", "--once")
    assert done.stdout == "Apply complete: 3 created, 0 updated, 0 deleted. Generation 1.\n"
    assert [json.loads(line)["event"] for line in done.stderr.splitlines() if line[0] == "{"] == ["planned", "applied"]
    assert written.run("watch", "--once", "-q") == ("No changes. The overlay matches the manifests.\n", "")
    assert {"round", "planned"} <= {*events(written.run("watch", "--once", "--json").stdout)}

    (written.folder / "producer.yaml").write_text("kind: [")
    broken = written.run("watch", "--once", "--json", code=1)
    assert list(events(broken.stdout)) == ["round", "error"]


@pytest.mark.parametrize("option", ["--target", "--exclude", "--replace", "--allow-empty", "--take-over", "--yes"])
def test_what_is_decided_once_is_no_option_of_a_watch(written, option):
    assert f"No such option: {option}" in written.run("watch", "--once", option, "x", code=1).stderr


def test_what_a_watch_cannot_do_is_said_before_it_begins(written):
    assert "--interval is too short" in written.run("watch", "--interval", "10ms", code=1).stderr
    assert "not an amount" in written.run("watch", "--max-cost-per-day", "-1", code=1).stderr


def test_the_log_tells_steps_on_request_and_never_a_secret(written, request):
    key = hashlib.sha256(request.node.name.encode()).hexdigest()
    secrets = {"OVERLAY_IDENTITY_KEY": key, "OVERLAY_PASSPHRASE": "CANARY-passphrase"}
    said = []
    for arguments in (["-v"], ["--json"], ["-v", "--debug", "--max-cost", "1"]):
        write(written, f"Acme {len(said)}")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {"OVERLAY_HOME": str(written.home), **secrets}.items():
                patch.setenv(name, value)
            main(["-C", str(written.folder), "watch", "--once", *arguments])
        said.append("".join(written.captured.readouterr()))
    assert '"event": "journal"' in said[0]
    assert '"event":"applied"' in said[1]
    assert not [text for text in said for secret in (key, "CANARY-passphrase") if secret in text]


def lease_of(overlay: Any, pid: int) -> int:
    """Have another process of this machine hold the lease; its token."""

    async def take() -> int:
        database = Database.open(f"sqlite:///{overlay.home / 'embedded' / 'state.db'}")
        owner = this_process("other")
        other = type(owner)(id="other", host=owner.host, pid=pid, boot=owner.boot)
        try:
            async with database.begin() as connection:
                lease = await Leases(connection).acquire(APPLY, other, now=2_000_000_000, ttl=15)
        finally:
            await database.close()
        return lease.token

    return asyncio.run(take())


def is_fenced(overlay: Any, token: int) -> bool:
    """Whether what is written with this token is refused."""

    async def check() -> bool:
        database = Database.open(f"sqlite:///{overlay.home / 'embedded' / 'state.db'}")
        try:
            async with database.begin() as connection:
                await Leases(connection).check(APPLY, token)
        except LockedError:
            return True
        finally:
            await database.close()
        return False

    return asyncio.run(check())


@pytest.fixture
def gone() -> int:
    """The id of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def test_the_lease_of_a_process_that_is_gone_is_released_without_a_question(written, gone):
    written.run("apply", "--yes")
    token = lease_of(written, gone)
    assert not is_fenced(written, token)

    done = written.run("state", "unlock")

    holder, last = done.stdout.splitlines()
    assert f"process {gone} on" in holder
    assert "which is gone" in holder
    assert last == "The lease is released."
    assert is_fenced(written, token)
    assert written.run("state", "unlock").stdout == "Nobody holds the lease.\n"


def test_the_lease_of_a_process_that_may_live_is_released_only_on_request_and_its_writes_are_refused(written):
    written.run("apply", "--yes")
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            token = lease_of(written, process.pid)
            refused = written.run("state", "unlock", code=1)
            assert "nobody can be asked here" in refused.stderr
            assert not is_fenced(written, token)

            released = written.json("state", "unlock", "--yes")
        finally:
            process.kill()
    assert (released["holder"]["pid"], released["holder"]["gone"], released["released"]) == (process.pid, False, True)
    assert is_fenced(written, token)
    written.run("apply", "--yes")
