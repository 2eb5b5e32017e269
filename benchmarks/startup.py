"""What a command costs before and beside its work: help, a small example validated, a plan with nothing to change.

Whole processes, by their processor time, beside Python that starts and does nothing, and octoDNS that says its options.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.commands import Run, run
from benchmarks.octodns import installed
from benchmarks.processes import ROOT
from benchmarks.setting import Figures, Row, Setting

BUDGET: Final = 300.0
"""Milliseconds that a command may take which does nothing but speak of itself or of the language."""

_EXAMPLE: Final = str(ROOT / "examples" / "producer.yaml")


def measure(setting: Setting) -> Iterator[Row]:
    """Everything once before it is measured, so that all is compiled, cached and published."""
    side = _Side(setting)
    yield _row("python -c pass", side.rounds([sys.executable, "-c", "pass"]))
    if setting.scale == 1:
        yield _row("octodns-sync --help", side.rounds([str(installed(setting.cache)), "--help"]))
    for command in (["--help"], ["apply", "--help"], ["completion", "bash"], ["explain", "dataset"]):
        runs = side.ours(command)
        ratio = BUDGET / _figures(runs).middle
        yield _row(f"overlay {' '.join(command)}, against {BUDGET / 1000:g} s", runs, ratio=ratio, budget=1.0)
    yield _row("overlay validate of the example", side.ours(["validate", _EXAMPLE]))
    side.ours(["apply", "--yes", _EXAMPLE])
    yield _row("overlay plan of the example, nothing changed", side.ours(["plan", _EXAMPLE]))
    yield _row("overlay status", side.ours(["status"]))


class _Side:
    """Commands in one home."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._home = {"OVERLAY_HOME": str(setting.folder / "home")}

    def ours(self, command: Sequence[str]) -> list[Run]:
        """Our command."""
        return self.rounds([sys.executable, "-m", "reconciler.cli", *command])

    def rounds(self, command: Sequence[str]) -> list[Run]:
        """As often as the setting says, after one that is not counted."""
        self._run(command)
        return [self._run(command) for _ in range(self._setting.rounds)]

    def _run(self, command: Sequence[str]) -> Run:
        return run(command, self._setting.folder / f"{Path(command[0]).name}.log", self._home)


def _row(work: str, runs: list[Run], *, ratio: float | None = None, budget: float | None = None) -> Row:
    note = f"{median(each.wall for each in runs):,.0f} ms by the clock"
    return Row(work=work, ours=_figures(runs), ratio=ratio, budget=budget, note=note)


def _figures(runs: list[Run]) -> Figures:
    return Figures(tuple(each.cpu for each in runs), "ms CPU")
