"""`python -m benchmarks.years --generations 8760`: one field changed and applied every hour, for a year, and what has grown by then.

The embedded world in this process, with a clock that is moved on by hand: an hour for each generation, in which its
transactions are mined. At each mark stands what an apply, plans, the history and a rebuild took (processor time of everybody
in this world together, requests, bytes), and what every table weighs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.processes import memory
from benchmarks.year import Desk, Work, Year

_WINDOW: Final = 20
"""Generations before a mark, of which its figures are the medians. Only in these is planned for its own sake, too."""
_HEADINGS: Final = (
    "generation",
    "plan, ms CPU",
    "apply, ms CPU",
    "plan without changes, ms CPU",
    "requests of it",
    "bytes answered to it",
    "bytes signed",
    "submits",
    "bytes submitted",
    "bytes to ARC",
    "history, ms CPU",
    "versions",
    "bytes of history",
    "rebuild, ms CPU",
    "requests of it",
    "bytes answered to it",
    "memory, MB",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """What one generation took."""

    plan: Work
    apply: Work
    idle: Work


@dataclass(frozen=True, slots=True)
class Weight:
    """Of a table with its indexes."""

    rows: int
    bytes: int


Weights = dict[tuple[str, str], Weight]
"""By whose table it is, and its name."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, and print a row at each mark; in the end, what has grown."""
    asked = _parsed(arguments)
    with tempfile.TemporaryDirectory(prefix="overlay-years-", dir=asked.folder) as name:
        asyncio.run(_pass(Year(Path(name), fresh=asked.fresh), _marks(asked.generations)))
    return 0


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.years", description=__doc__)
    parser.add_argument("--generations", type=int, default=8_760, help="hours that pass (default 8,760: a year)")
    parser.add_argument("--fresh", action="store_true", help="the content of one dataset changes each hour, too")
    parser.add_argument("--folder", type=Path, help="where databases lie: on a real disk")
    return parser.parse_args(arguments)


def _marks(generations: int) -> list[int]:
    wanted = {100, 300, 500, *range(1_000, generations, 1_000), generations // 2, generations}
    return sorted(mark for mark in wanted if 0 < mark <= generations)


async def _pass(year: Year, marks: Sequence[int]) -> None:
    weighed: dict[int, Weights] = {}
    hours: list[Hour] = []
    async with year.open(), Desk.open(year, year.folder / "state.db") as desk:
        _row(_HEADINGS)
        _row(["---"] * len(_HEADINGS))
        for generation in range(1, marks[-1] + 1):
            if not any(generation <= mark < generation + _WINDOW for mark in marks):
                year.pass_hour()
                await desk.apply()
                continue
            hours = [*hours[1 - _WINDOW :], await _hour(year, desk)]
            if generation in marks:
                weighed[generation] = _weighed(year)
                _row(await _mark(year, desk, generation, hours))
    _tell_growth(weighed)


async def _hour(year: Year, desk: Desk) -> Hour:
    year.pass_hour()
    return Hour(
        plan=await desk.plan(changes=True),
        apply=await desk.apply(),
        idle=await desk.plan(changes=False),
    )


async def _mark(year: Year, desk: Desk, generation: int, hours: Sequence[Hour]) -> Sequence[str]:
    taken = memory(os.getpid())
    story, versions = await desk.history()
    lost = year.folder / "rebuilt.db"
    async with Desk.open(year, lost) as other:
        rebuilt = await other.rebuild()
    for path in year.folder.glob(f"{lost.name}*"):
        path.unlink()
    applies, idle = [hour.apply for hour in hours], [hour.idle for hour in hours]
    figures = (
        generation,
        1000 * median(hour.plan.cpu for hour in hours),
        1000 * median(apply.cpu for apply in applies),
        1000 * median(plan.cpu for plan in idle),
        median(plan.requests() for plan in idle),
        median(plan.received() for plan in idle),
        median(apply.signed for apply in applies),
        median(apply.requests("/submit") for apply in applies),
        median(apply.sent("/submit") for apply in applies),
        median(apply.sent("/v1") for apply in applies),
        1000 * story.cpu,
        versions,
        story.received(),
        1000 * rebuilt.cpu,
        rebuilt.requests(),
        rebuilt.received(),
        taken / 1e6,
    )
    return [f"{figure:,.0f}" for figure in figures]


def _weighed(year: Year) -> Weights:
    found: Weights = {}
    for owner, path in year.databases.items():
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            sizes = dict(
                connection.execute(
                    "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat s JOIN sqlite_schema m ON m.name = s.name GROUP BY 1"
                )
            )
            for table, size in sizes.items():
                (rows,) = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()  # noqa: S608 - the names are our own
                found[owner, table] = Weight(rows, size)
    for folder in ("cache", *(f"world/{owner}/files" for owner in year.databases)):
        files = [path.stat() for path in (year.folder / folder).rglob("*") if path.is_file()]
        if files:
            found["files", folder] = Weight(len(files), sum(each.st_size for each in files))
    return found


def _tell_growth(weighed: dict[int, Weights]) -> None:
    """Each table that has more rows, or bytes, at the end than in the middle: what does not grow is not listed."""
    middle, last = sorted(weighed)[-2:] if len(weighed) > 1 else (min(weighed), max(weighed))
    hours = max(1, last - middle)
    print()
    _row(("whose", "table", f"rows at {last:,}", "bytes", "rows a generation", "bytes a generation"))
    _row(["---"] * 6)
    for key, weight in sorted(weighed[last].items()):
        before = weighed[middle].get(key, Weight(0, 0))
        if weight == before:
            continue
        rows, size = (weight.rows - before.rows) / hours, (weight.bytes - before.bytes) / hours
        _row((*key, f"{weight.rows:,}", f"{weight.bytes:,}", f"{rows:.2f}", f"{size:,.0f}"))


def _row(cells: Sequence[str]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
