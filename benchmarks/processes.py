"""Servers in processes of their own, and what they take of the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from reconciler.model.errors import StateError

ROOT: Final = Path(__file__).parents[1]
_PATIENCE: Final = 30
"""Seconds that a server gets to end."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that has said where it is."""

    process: subprocess.Popen[str]
    told: str
    """The line that it printed when it was ready."""

    @property
    def ready(self) -> Mapping[str, Any]:
        """The same, of a server that speaks JSON."""
        value: Mapping[str, Any] = json.loads(self.told)
        return value

    @property
    def url(self) -> str:
        """Where it listens."""
        return str(self.ready["url"])

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that serve: its workers, where it has said that it has some."""
        workers = self.ready.get("workers", ()) if self.told.startswith("{") else ()
        return tuple(workers) or (self.process.pid,)

    def cpu(self) -> float:
        """Seconds of processor time that it has used; NaN where the system does not say."""
        return sum(map(_cpu, self.pids))

    def memory(self, name: str = "VmRSS") -> int:
        """Bytes in memory, now or (`VmHWM`) at most; 0 where the system does not say."""
        return sum(memory(pid, name) for pid in self.pids)


@contextmanager
def started(command: Sequence[str], log: Path, **environment: str) -> Iterator[Server]:
    """A server for the block. It prints a line when it is ready, and ends when its standard input does."""
    with log.open("w+") as errors:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **environment},
        )
        try:
            assert process.stdout is not None
            told = process.stdout.readline().strip()
            if not told:
                raise StateError(f"{command[-1]} does not start: {log.read_text()[-800:]}")
            yield Server(process, told)
        finally:
            _stop(process)


def memory(pid: int, name: str = "VmRSS") -> int:
    """The same of one process."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def python(module: str, question: Mapping[str, object]) -> list[str]:
    """The command of a server of ours, with what it is to know."""
    return [sys.executable, "-m", module, json.dumps(question)]


def _stop(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()
