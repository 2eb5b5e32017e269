"""The command as people run it: exit codes, streams, signals, secrets (DESIGN §8)."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.main import main
from tests.patience import PATIENCE

COMMAND = (sys.executable, "-c", "from reconciler.cli.main import run; run()")
MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec: {displayName: Acme, network: embedded}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: tables}
spec: {source: {glob: "data/*"}, title: "Table {stem}"}
"""
QUESTION = b"Only 'yes' is accepted: "


@pytest.fixture
def written(overlay):
    """A folder with manifests and one file."""
    (overlay.folder / "producer.yaml").write_text(MANIFEST)
    (overlay.folder / "data").mkdir()
    (overlay.folder / "data" / "a.csv").write_text("id,value\n1,one\n")
    return overlay


@contextmanager
def at_a_terminal(overlay: Any, *arguments: str) -> Iterator[Terminal]:
    """The command with a person in front of it."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(overlay.folder)
        os.execve(COMMAND[0], [*COMMAND, *arguments], overlay.environment())
    person = Terminal(pid, terminal)
    try:
        yield person
    finally:
        os.close(terminal)
        if person.code is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


class Terminal:
    """What is on the screen, and a keyboard."""

    def __init__(self, pid: int, terminal: int) -> None:
        self._pid = pid
        self._terminal = terminal
        self.screen = b""
        self.code: int | None = None

    def wait_for(self, text: bytes) -> None:
        """Read until this is on the screen."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.screen:
            assert select.select([self._terminal], [], [], deadline - time.monotonic())[0], self.screen
            self.screen += os.read(self._terminal, 65536)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._terminal, keys)

    def end(self) -> int:
        """Read until the command ends; its exit code."""
        try:
            while data := os.read(self._terminal, 65536):
                self.screen += data
        except OSError:  # EIO: the other side is gone
            pass
        _, status = os.waitpid(self._pid, 0)
        self.code = os.waitstatus_to_exitcode(status)
        return self.code


def test_ctrl_c_at_the_question_ends_the_apply_and_a_second_apply_is_told_who_holds_the_lease(written):
    with at_a_terminal(written, "apply") as person:
        person.wait_for(QUESTION)
        locked = written.run("apply", "--yes", "--lock-timeout", "0", code=6)
        assert "another apply holds the lease" in locked.stderr
        person.type(b"\x03")
        assert person.end() == 130
    assert b"Traceback" not in person.screen
    assert written.json("state", "list")["objects"] == []
    done = written.run("apply", "--yes")  # the lease was given back
    assert done.stdout.splitlines()[-1] == "Apply complete: 3 created, 0 updated, 0 deleted. Generation 1."


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_while_it_works_exits_130_without_a_traceback_and_the_next_apply_goes_on(written, times):
    for number in range(12):
        (written.folder / "data" / f"{number}.csv").write_text(f"id\n{number}\n")
    with subprocess.Popen(
        [*COMMAND, "apply", "--yes"],
        cwd=written.folder,
        env=written.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while "stored" not in process.stderr.readline():
            pass
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            while "Interrupt" not in (line := process.stderr.readline()) and "Stopping" not in line:
                assert line
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert errors.splitlines()[-1] == "Interrupted. The state is safe; repeat the command to go on."
    assert "Apply complete: 27 created" in written.run("apply", "--yes").stdout
    written.run("wallet", "audit")


def test_two_first_applies_at_once_make_one_producer(written):
    processes = [
        subprocess.Popen(
            [*COMMAND, "apply", "--yes"],
            cwd=written.folder,
            env=written.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=PATIENCE)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert sorted(text.splitlines()[-1] for text in said) == [
        "Apply complete: 3 created, 0 updated, 0 deleted. Generation 1.",
        "No changes. The overlay matches the manifests.",
    ]
    written.run("wallet", "audit")


def test_without_a_terminal_nobody_is_asked_and_nothing_is_applied(written):
    refused = written.run("apply", code=1)
    assert "nobody can be asked here" in refused.stderr
    assert "--yes" in refused.stderr


@pytest.mark.parametrize("streams", ["<&- >&- 2>&-", "2>&1 | true"])
def test_streams_that_are_closed_do_no_harm(written, streams):
    script = f'"$0" "$@" {streams}'
    done = subprocess.run(
        ["bash", "-c", script, *COMMAND, "plan"],
        cwd=written.folder,
        env=written.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_what_the_system_refuses_is_one_sentence(written):
    done = replace(written, home=Path("/proc/nowhere")).run("wallet", "balance", "--network", "embedded", code=1)
    assert done.stderr.startswith("Error: the system refuses: no such file or directory.\n  where: /proc/nowhere\n")
    state = written.home / "embedded" / "state.db"
    state.parent.mkdir(parents=True)
    state.write_bytes(b"this is no database, and long enough to be told apart from an empty one" * 20)
    damaged = written.run("plan", code=1)
    assert "the database cannot be used" in damaged.stderr


def test_no_secret_is_ever_written_down_or_said(written, request):
    """Canaries: the key, the passphrase, and the token in a remote's URL."""
    key = hashlib.sha256(request.node.name.encode()).hexdigest()
    passphrase, token, password = "CANARY-passphrase", "CANARY-token", "CANARY-password"
    git = ["git", "-C", str(written.folder), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for arguments in (
        ["init", "-q"],
        ["add", "-A"],
        ["commit", "-qm", "first"],
        ["remote", "add", "origin", f"https://user:{token}@example.com/Acme/Data.git"],
    ):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    secrets = {"OVERLAY_IDENTITY_KEY": key, "OVERLAY_PASSPHRASE": passphrase}
    said = []

    def run(*arguments: str, **environment: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {"OVERLAY_HOME": str(written.home), **secrets, **environment}.items():
                patch.setenv(name, value)
            main(["-C", str(written.folder), *arguments])
        said.append("".join(written.captured.readouterr()).encode())

    run("apply", "--yes", "--json", "-v")
    run("plan", "--out", "plan.json")
    run("identity", "new", "--file", "spare.key")
    run("plan", "--debug", OVERLAY_IDENTITY_KEY=key[:-1])
    run("plan", "--debug", DATABASE_URL=f"postgresql+psycopg://user:{password}@127.0.0.1:1/none")
    run("plan", "--debug", DATABASE_URL=f"nonsense://user:{password}@127.0.0.1:1/none")
    assert json.loads((written.folder / "plan.json").read_bytes())["body"]["source"] == "acme example.com/acme/data"

    files = [path for top in (written.folder, written.home) for path in top.rglob("*") if path.is_file()]
    written_down = [path.read_bytes() for path in files if path != written.folder / ".git" / "config"]
    assert len(written_down) > 10
    for secret in (key.encode(), bytes.fromhex(key), passphrase.encode(), token.encode(), password.encode()):
        assert not any(secret in text for text in said), secret
        assert not any(secret in text for text in written_down), secret
    assert key[:-1].encode() not in b"".join(said)
    assert Path(written.home, "spare.key").stat().st_mode & 0o077 == 0
