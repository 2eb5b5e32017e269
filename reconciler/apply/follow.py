"""What follows a root leaves when that is seen, whether or not a tracker can be told (PROTOCOL §4).

But for the sweeps of a large set: each would carry the root along, with every batch that the root spends, as long as no block
has them. A thousand sweeps with a thousand batches each are a million. They wait for a block that has their root. And the end
of a large set carries every sweep along: above as many as a root may have batches it waits for blocks that have them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.apply.batches import UNPROVEN
from reconciler.apply.books import Books
from reconciler.apply.events import Ending, Event, Step
from reconciler.apply.handover import Broadcaster
from reconciler.model.errors import OverlayError, UnreachableError
from reconciler.model.ids import Txid
from reconciler.store.journal import Journal
from reconciler.store.transactions import Transactions
from reconciler.wire.arc import Standing, TxReport

_OUT: Final = frozenset({Standing.ACCEPTED, Standing.SEEN, Standing.MINED})

FEW: Final = 10
"""So many transactions may follow a root that no block has, or as many unproven ones be spent by it."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What has not left, so that no host is to hear of it yet."""

    refused: Mapping[Txid, str]
    """What ARC has not taken, each with the reason."""
    held: Mapping[Txid, frozenset[Txid]]
    """What waits for blocks that have its parents, which are named."""


async def follow(*, books: Books, arc: Broadcaster) -> Followed:
    """Hand ARC what follows a committed root, unless a block proves it or ARC has it; again, where it was dropped."""
    async with books.database.begin() as connection:
        unproven = await Transactions(connection).unproven()
        waiting = await Journal(connection).following(unproven)
        held = await _held(Transactions(connection), waiting, frozenset(unproven))
    refused = {}
    for txid in waiting:
        if txid in held:
            continue
        try:
            report = await _handed_over(txid, books, arc)
        except OverlayError as error:
            refused[txid] = error.message
        else:
            if report.standing not in _OUT:
                refused[txid] = f"ARC says {report.status.value} of it"
        if txid in refused:
            books.tell(Event(step=Step.BROADCAST, subject=txid, ending=Ending.FAILED, detail=refused[txid]))
    return Followed(refused, held)


async def _held(
    transactions: Transactions, waiting: Collection[Txid], unproven: frozenset[Txid]
) -> dict[Txid, frozenset[Txid]]:
    """Those of many that would bring much unproven ancestry along, with the parents that it comes by."""
    if len(waiting) <= FEW:
        return {}
    children = {txid: found.unproven_parents & unproven for txid, found in (await transactions.find(waiting)).items()}
    parents = await transactions.find(frozenset[Txid]().union(*children.values()))
    heavy = {txid for txid, found in parents.items() if len(found.unproven_parents & unproven) > FEW}
    held = {txid: spent if len(spent) > UNPROVEN else spent & heavy for txid, spent in children.items()}
    return {txid: awaited for txid, awaited in held.items() if awaited}


async def _handed_over(txid: Txid, books: Books, arc: Broadcaster) -> TxReport:
    try:
        report = await arc.status(txid)
    except UnreachableError:  # one of several; another one may take it all the same
        report = None
    if report is not None and report.standing is not Standing.STALE:
        return report
    async with books.database.begin() as connection:
        beef = await Transactions(connection).beef([txid])
    report = await arc.submit(beef, txid)
    books.tell(Event(step=Step.BROADCAST, subject=txid, ending=Ending.DONE, detail=report.status.value))
    return report
