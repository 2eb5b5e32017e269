"""What follows a root: transactions of advertisements leave when it is seen, whether or not a tracker can be told (PROTOCOL §4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.apply.books import Books
from reconciler.apply.events import Ending, Event, Step
from reconciler.apply.handover import Broadcaster
from reconciler.model.errors import OverlayError, UnreachableError
from reconciler.model.ids import Txid
from reconciler.store.journal import Journal
from reconciler.store.transactions import Transactions
from reconciler.wire.arc import Standing, TxReport

_OUT: Final = frozenset({Standing.ACCEPTED, Standing.SEEN, Standing.MINED})


async def follow(*, books: Books, arc: Broadcaster) -> Mapping[Txid, str]:
    """Hand ARC what follows a committed root, unless a block proves it or ARC has it; again, where it was dropped.

    Returns those that ARC has not taken, each with the reason: no host is to hear of them yet.
    """
    async with books.database.begin() as connection:
        waiting = await Journal(connection).following(await Transactions(connection).unproven())
    refused = {}
    for txid in waiting:
        try:
            report = await _handed_over(txid, books, arc)
        except OverlayError as error:
            refused[txid] = error.message
        else:
            if report.standing not in _OUT:
                refused[txid] = f"ARC says {report.status.value} of it"
        if txid in refused:
            books.tell(Event(step=Step.BROADCAST, subject=txid, ending=Ending.FAILED, detail=refused[txid]))
    return refused


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
