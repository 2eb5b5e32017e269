"""`overlay plan` and `validate` of 10,000 datasets, as a user runs them: whole processes, by their processor time.

The peer is octoDNS with as many records, from YAML against YAML. It reads both sides anew each time.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Self

from benchmarks.commands import Run, run
from benchmarks.manifests import touch, write_contents, write_manifests
from benchmarks.octodns import installed, plan_command
from benchmarks.setting import Figures, Row, Setting

BUDGET: Final = 10.0
"""DESIGN §11, against octoDNS."""
OWN: Final = 1000.0
"""Milliseconds beyond parsing, by the same line."""

_FEW: Final = 10
"""Datasets of a set whose plan is what any plan takes: to start, to ask the network, to show."""

_DATASETS: Final = 10_000
_FILES: Final = 100
_MIB: Final = 1 << 20


def measure(setting: Setting) -> Iterator[Row]:
    """Publish them once, in the embedded world; then plan again and again."""
    datasets, files = setting.count(_DATASETS, least=20), setting.count(_FILES, least=2)
    side = _Ours.of(setting, "many", datasets, files)
    yield _row(f"validate {datasets:,} datasets for the first time", side.rounds(["validate"], side.forget))
    yield _row(f"validate {datasets:,} datasets again", side.rounds(["validate"]))
    setting.tell(f"publishing {datasets} datasets")
    side.run(["apply", "--yes"])
    few = _Ours.of(setting, "few", _FEW, 1)
    few.run(["apply", "--yes"])
    idle, least = side.rounds(["plan"]), few.rounds(["plan"])
    peers = _octodns(setting, datasets) if setting.scale == 1 else []
    yield _against(f"plan of {datasets:,} datasets, nothing changed", idle, peers)
    yield _row(f"plan of {_FEW} datasets, nothing changed", least)
    beyond = Figures((_figures(idle).middle - _figures(least).middle,), "ms CPU")
    work = f"what {datasets:,} take beyond {_FEW}, against the {OWN / 1000:g} s that parsing excluded"
    yield Row(work=work, ours=beyond, ratio=OWN / beyond.middle if beyond.middle > 0 else None, budget=1.0)
    edited = side.manifests / "000001.yaml"
    yield _row(f"plan, one of {files} files touched", side.rounds(["plan"], lambda: touch(edited)))
    yield _row("plan, nothing cached", side.rounds(["plan"], side.forget))


class _Ours:
    """Our command, on one set of manifests and one home."""

    def __init__(self, setting: Setting, folder: Path) -> None:
        self.manifests, self._home = folder / "manifests", folder / "home"
        self._setting = setting

    @classmethod
    def of(cls, setting: Setting, name: str, datasets: int, files: int) -> Self:
        """A set of so many datasets in so many files, in a folder of its own."""
        made = cls(setting, setting.folder / name)
        write_manifests(made.manifests, datasets, files)
        write_contents(made.manifests, datasets)
        return made

    def run(self, command: Sequence[str]) -> Run:
        """Once."""
        full = [sys.executable, "-m", "reconciler.cli", *command, str(self.manifests)]
        return run(full, self._setting.folder / "ours.log", {"OVERLAY_HOME": str(self._home)})

    def rounds(self, command: Sequence[str], before: Callable[[], None] | None = None) -> list[Run]:
        """As often as the setting says, each time after `before`, else after one run that is not counted."""
        if before is None:
            self.run(command)
        runs = []
        for _ in range(self._setting.rounds):
            if before is not None:
                before()
            runs.append(self.run(command))
        return runs

    def forget(self) -> None:
        """Empty the cache."""
        shutil.rmtree(self._home / "cache", ignore_errors=True)


def _octodns(setting: Setting, records: int) -> list[Run]:
    command = plan_command(installed(setting.cache), setting.folder / "octodns", records)
    return [run(command, setting.folder / "octodns.log", {}) for _ in range(setting.rounds)]


def _row(work: str, ours: list[Run]) -> Row:
    return Row(work=work, ours=_figures(ours), note=_note(ours))


def _against(work: str, ours: list[Run], peers: list[Run]) -> Row:
    if not peers:
        return _row(work, ours)
    ratio = _figures(peers).middle / _figures(ours).middle
    note = f"octoDNS, {_memory(peers)} MiB; {_note(ours)}"
    return Row(work=work, ours=_figures(ours), peer=_figures(peers), ratio=ratio, budget=BUDGET, note=note)


def _note(ours: list[Run]) -> str:
    return f"ours takes {_memory(ours)} MiB"


def _figures(runs: list[Run]) -> Figures:
    return Figures(tuple(each.cpu for each in runs), "ms CPU")


def _memory(runs: list[Run]) -> int:
    return max(each.memory for each in runs) // _MIB
