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
from reconciler.apply.contest import Judge
from reconciler.apply.events import Ending, Event, Step
from reconciler.model.errors import RefusedError, StalePlanError, UnreachableError
from reconciler.model.ids import Txid
from reconciler.model.journal import COMMITTED, TRANSITIONS, JournalEvent, JournalState
from reconciler.store.journal import JournalEntry
from reconciler.store.transactions import Transactions
from reconciler.wire.arc import ArcError, Standing, TxReport
from reconciler.wire.beef import Beef

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


VERDICTS: Final = frozenset(str(code.value) for code in ArcError if code.value >= ArcError.TX_FORMAT) - {
    str(ArcError.CONFLICT.value)
}
"""ARC's codes that are about the transaction itself; a conflict is for the chain to decide."""

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
    entry: JournalEntry,
    *,
    books: Books,
    arc: Broadcaster,
    judge: Judge,
    now: Callable[[], int],
    patience: float = PATIENCE,
) -> JournalEntry:
    """Bring an entry that is prepared or on its way to the commit point, or to its end: then it is void.

    Raises StalePlanError where it is not certain yet who wins a contest, UnreachableError where ARC does not say, and
    RefusedError where ARC does not take anything from us; all leave the entry for the next apply to finish.
    """
    if entry.state is JournalState.PREPARED:
        entry = await _move(entry, JournalEvent.SEND, books, now)
    txid = entry.root
    async with books.database.begin() as connection:
        beef = await Transactions(connection).beef([txid])
    ours = beef.transactions[txid].transaction
    known = await arc.status(txid) if beef.proof(txid) else None  # our own host may have learned the proof first
    try:
        report = known or await arc.submit(beef, txid)
    except RefusedError as error:
        return await _refused(entry, error, books, arc, now)
    waited = 0.0
    while True:
        entry = await _follow(entry, report, books, now)
        if entry.state in COMMITTED:
            books.tell(Event(step=Step.BROADCAST, subject=txid, ending=Ending.DONE, detail=report.status.value))
            return entry
        if entry.state is JournalState.CONTESTED and (rival := await judge.winner(ours, report)):
            entry = replace(entry, state=await books.lose(entry, rival, now=now()))
            _tell_void(books, txid, f"{rival.txid} was mined, and spends the same")
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


async def _refused(
    entry: JournalEntry, error: RefusedError, books: Books, arc: Broadcaster, now: Callable[[], int]
) -> JournalEntry:
    """ARC judged the transaction and did not take it; it is the only one who was ever given it.

    What it never heard of went nowhere. Where the refusal is about us (a token, a wrong address), or ARC knows the
    transaction after all, nothing is decided: the refusal is raised again.
    """
    txid = entry.root
    is_verdict = entry.state is JournalState.SENDING and error.code in VERDICTS
    if not is_verdict or await arc.status(txid) is not None:
        raise error
    _tell_void(books, txid, error.message)
    return await _move(entry, JournalEvent.REFUSE, books, now)


def _tell_void(books: Books, txid: Txid, why: str) -> None:
    books.tell(Event(step=Step.BROADCAST, subject=txid, ending=Ending.FAILED, detail=why))


def _undecided(entry: JournalEntry, report: TxReport) -> StalePlanError | UnreachableError:
    detail = f"ARC says {report.status.value}" + (f" ({report.extra_info})" if report.extra_info else "")
    if entry.state is JournalState.CONTESTED:
        return StalePlanError(
            f"another transaction spends the same coins; {detail}",
            where=entry.root,
            hint="the coins stay locked until one of the two is mined; plan again then",
        )
    return UnreachableError(
        f"the network has not confirmed seeing the transaction; {detail}",
        where=entry.root,
        hint="repeat the command: it goes on from here",
    )
