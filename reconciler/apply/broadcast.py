"""Taking a journalled transaction to the network, and reading from ARC how it stands.

SENDING is durable before the first byte leaves, and ARC knows a transaction by its id: everything here may be repeated at
will, by this process or by the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from reconciler.apply.books import Books
from reconciler.apply.events import Ending, Event, Step
from reconciler.model.errors import StalePlanError, UnreachableError
from reconciler.model.ids import Txid
from reconciler.model.journal import COMMITTED, TRANSITIONS, JournalEvent, JournalState
from reconciler.store.journal import JournalEntry
from reconciler.store.transactions import Transactions
from reconciler.wire.arc import Standing, TxReport
from reconciler.wire.beef import Beef
from reconciler.wire.merkle import MerklePath

PATIENCE: Final = 30.0
"""Seconds until an apply whose transaction is neither seen nor certain to have lost gives up waiting (PROTOCOL §4)."""
_POLL: Final = 0.5


class Broadcaster(Protocol):
    """ARC, as far as apply needs it."""

    async def submit(self, beef: Beef, txid: Txid) -> TxReport:
        """Hand over a transaction with its ancestry; idempotent."""
        ...

    async def status(self, txid: Txid) -> TxReport | None:
        """How a transaction stands; None where ARC does not know it."""
        ...


class Proofs(Protocol):
    """The headers, as far as apply needs them."""

    async def proven(self, path: MerklePath, txid: Txid) -> bool:
        """Whether the path leads from the transaction to a header of the chain."""
        ...


MEANINGS: Final = {
    Standing.UNKNOWN: None,
    Standing.ACCEPTED: JournalEvent.ACCEPT,
    Standing.STALE: JournalEvent.ACCEPT,
    Standing.SEEN: JournalEvent.SEE,
    Standing.MINED: JournalEvent.SEE,  # MINE is said with the proof in hand (apply/recover.py)
    Standing.CONTESTED: JournalEvent.CONTEST,
    Standing.REFUSED: JournalEvent.CONTEST,  # bytes have left: only a mined conflict may void it (PROTOCOL §4)
}
"""What a report means to the journal; None says nothing new."""


async def broadcast(
    entry: JournalEntry, *, books: Books, arc: Broadcaster, now: Callable[[], int], patience: float = PATIENCE
) -> JournalEntry:
    """Bring an entry that is prepared or on its way to the commit point.

    Raises StalePlanError where the network holds a conflicting spend (the entry stays contested until that is certain), and
    UnreachableError where ARC does not say; both leave the entry for the next apply to finish.
    """
    if entry.state is JournalState.PREPARED:
        entry = await _move(entry, JournalEvent.SEND, books, now)
    txid = entry.txids[-1]
    async with books.database.begin() as connection:
        beef = await Transactions(connection).beef([txid])
    known = await arc.status(txid) if beef.proof(txid) else None  # our own host may have learned the proof first
    report = known or await arc.submit(beef, txid)
    waited = 0.0
    while True:
        entry = await _follow(entry, report, books, now)
        if entry.state in COMMITTED:
            books.tell(Event(step=Step.BROADCAST, subject=txid, ending=Ending.DONE, detail=report.status.value))
            return entry
        if waited >= patience:
            raise _undecided(entry, report)
        await asyncio.sleep(_POLL)
        waited += _POLL
        report = await arc.status(txid) or report


async def _follow(entry: JournalEntry, report: TxReport, books: Books, now: Callable[[], int]) -> JournalEntry:
    event = MEANINGS[report.standing]
    if event is None or (entry.state, event) not in TRANSITIONS:  # says again what is known, or less than that
        return entry
    return await _move(entry, event, books, now)


async def _move(entry: JournalEntry, event: JournalEvent, books: Books, now: Callable[[], int]) -> JournalEntry:
    return replace(entry, state=await books.move(entry, event, now=now()))


def _undecided(entry: JournalEntry, report: TxReport) -> StalePlanError | UnreachableError:
    detail = f"ARC says {report.status.value}" + (f" ({report.extra_info})" if report.extra_info else "")
    if entry.state is JournalState.CONTESTED:
        return StalePlanError(
            f"another transaction spends the same coins; {detail}",
            where=entry.txids[-1],
            hint="the coins stay locked until one of the two is mined; plan again then",
        )
    return UnreachableError(
        f"the network has not confirmed seeing the transaction; {detail}",
        where=entry.txids[-1],
        hint="repeat the command: it goes on from here",
    )
