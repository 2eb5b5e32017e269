"""What every line is handed, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How much to measure, and where."""

    folder: Path
    """For databases and requests; empty at first, gone afterwards."""
    cache: Path
    """Where peers from npm are kept between runs."""
    rounds: int
    """How often each side is measured, in turns."""
    seconds: float
    """How long one round of one side may take."""
    with_peers: bool
    """Whether Node is here and wanted."""
    scale: float
    """1, or less for a run that is only to see that the scripts work."""
    tell: Callable[[str], None]
    """Progress, for people."""

    @property
    def workers(self) -> tuple[int, ...]:
        """By how many processes a gateway is measured."""
        return (1, 2) if self.scale == 1 else (1,)

    def count(self, full: int, least: int = 1) -> int:
        """A number of things at this run's scale."""
        return max(least, round(full * self.scale))


@dataclass(frozen=True, slots=True)
class Figures:
    """One figure, measured several times."""

    values: tuple[float, ...]
    unit: str

    @property
    def middle(self) -> float:
        """The median."""
        return median(self.values)

    def __str__(self) -> str:
        if len(self.values) == 1:
            return f"{_short(self.middle)} {self.unit}"
        return f"{_short(self.middle)} {self.unit} ({_short(min(self.values))}-{_short(max(self.values))}, n={len(self.values)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table. A ratio above 1 is in our favour."""

    work: str
    ours: Figures
    peer: Figures | None = None
    """None where nobody does the same, or where it did not run: `note` says which."""
    ratio: float | None = None
    budget: float | None = None
    """The least ratio that DESIGN §11 allows; None where it names none."""
    note: str = ""
    cpu: tuple[float, ...] = ()
    """Milliseconds of processor time that the server takes for one request: ours, the peer's."""

    @property
    def is_met(self) -> bool | None:
        """Whether the budget is met; None where there is none, or nothing to compare with."""
        return None if self.ratio is None or self.budget is None else self.ratio >= self.budget


class Line(Protocol):
    """A module of this package that measures."""

    __name__: str

    def measure(self, setting: Setting) -> Iterator[Row]:
        """Measure, a row at a time."""
        ...


def table(rows: Sequence[Row]) -> str:
    """All rows, as Markdown."""
    head = ("work", "ours", "peer", "ratio", "budget", "met", "server CPU, ms each")
    lines = [head, tuple("---" for _ in head), *(_cells(row) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.work,
        str(row.ours),
        row.note if row.peer is None else " ".join(filter(None, (str(row.peer), row.note))),
        "" if row.ratio is None else f"{row.ratio:.2f}",
        "" if row.budget is None else f"{row.budget:g}",
        {None: "", True: "yes", False: "NO"}[row.is_met],
        " / ".join(f"{each:.2f}" for each in row.cpu),
    )


def _short(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
