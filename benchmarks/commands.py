"""Commands that run to their end, and what they took of the machine."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import ROOT
from reconciler.model.errors import StateError


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run of a command took, as the system says."""

    cpu: float
    """Milliseconds of processor time, the system's included."""
    wall: float
    """Milliseconds by the clock."""
    memory: int
    """Bytes that it had in memory at most."""


def run(command: Sequence[str], log: Path, environment: Mapping[str, str], *, allowed: Sequence[int] = (0,)) -> Run:
    """Run a command. Raises StateError, with what it wrote last, where it ends with another code than those."""
    begun = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **environment}
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = (time.perf_counter() - begun) * 1000
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in allowed:
        raise StateError(f"{' '.join(command[-3:])} ended with {process.returncode}: {log.read_text()[-800:]}")
    return Run(cpu=(usage.ru_utime + usage.ru_stime) * 1000, wall=wall, memory=usage.ru_maxrss * 1024)
