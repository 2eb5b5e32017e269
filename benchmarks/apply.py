"""An apply of 10,000 new records on a local world, as processes: what it costs the process of the command itself.

Counted is all of it: start-up, manifests, plan, the text that shows it, signing, journal, what it says to ARC and hosts, and our
own host, which is in that process as long as nobody serves. The world's processes are not.

What a token costs by itself, made and signed, and then checked by a host, says how much of the budget no program can save.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from benchmarks.scale import workshop
from benchmarks.setting import Figures, Row, Setting
from reconciler.model.ids import Digest, Kind, Outpoint, RecordId, Txid
from reconciler.wallet.keys import Keys
from reconciler.wire.derivation import public_child
from reconciler.wire.record import Anchor, RecordToken, parse, signed_lock

RECORDS: Final = 10_000
BUDGET: Final = 1.0
"""Milliseconds of processor time a record (DESIGN §11)."""


def measure(setting: Setting) -> Iterator[Row]:
    """What no apply can do without; then one apply into an empty world, and one that changes nothing."""
    yield from _tokens(setting)
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


_ROUND: Final = 100


def _tokens(setting: Setting) -> Iterator[Row]:
    """The least of some rounds: what else the machine does can only add to it."""
    keys = Keys(b"\x07" * 32)
    spends = Outpoint(Txid("cd" * 32), 0)
    names = [RecordId(Kind.DATASET, f"tables/{number:06d}") for number in range(setting.count(3_000, least=_ROUND))]
    tokens = [RecordToken(keys.identity, name, Anchor(Digest("ab" * 32), spends)) for name in names]
    made: list[bytes] = []
    build = [partial(_build, keys, token, made) for token in tokens]
    yield Row(work="a token, made and signed", ours=Figures((_least(build),), "ms CPU"))
    public_child.cache_clear()  # of 10,000 records the first key is forgotten by the time it is checked
    checks = [partial(parse, each) for each in made]
    yield Row(work="the same, checked by a host", ours=Figures((_least(checks),), "ms CPU"))


def _build(keys: Keys, token: RecordToken, made: list[bytes]) -> None:
    made.append(signed_lock(token, partial(keys.sign, token.key)))


def _least(works: Sequence[Callable[[], object]]) -> float:
    """Milliseconds for each."""
    spent = []
    for first in range(0, len(works), _ROUND):
        begun = time.process_time()
        several = [work() for work in works[first : first + _ROUND]]
        spent.append((time.process_time() - begun) * 1000 / len(several))
    return min(spent)
