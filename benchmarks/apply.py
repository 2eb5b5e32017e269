"""An apply of 10,000 new records on a local world, as processes: what it costs the process of the command itself.

Counted is all of it: start-up, manifests, plan, the text that shows it, signing, journal, what it says to ARC and hosts, and our
own host, which is in that process as long as nobody serves. The world's processes are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchmarks.scale import workshop
from benchmarks.setting import Figures, Row, Setting

RECORDS: Final = 10_000
BUDGET: Final = 1.0
"""Milliseconds of processor time a record (DESIGN §11)."""


def measure(setting: Setting) -> Iterator[Row]:
    """One apply into an empty world, and one that changes nothing."""
    count = setting.count(RECORDS)
    with workshop(setting.folder, count) as at_work:
        first = at_work.run("apply", ["apply", "--yes"])
        again = at_work.run("apply", ["apply", "--yes"])
    for name, stage, budget in ((f"apply of {count:,} records", first, BUDGET), ("the same again", again, None)):
        each = stage.cpu * 1000 / count
        yield Row(
            work=name,
            ours=Figures((each,), "ms CPU a record"),
            ratio=None if budget is None else budget / each,
            budget=None if budget is None else 1.0,
            note=f"{stage.cpu:.1f} s of CPU and {stage.memory / 1e6:.0f} MB in all; the limit is {BUDGET:g} ms a record",
        )
