"""Taking a journalled transaction to the network, and reading from ARC how it stands.

SENDING is durable before the first byte leaves, and ARC knows a transaction by its id: everything here may be repeated at
will, by this process or by the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from reconciler.apply.books import Books
from reconciler.apply.contest import Judge
from reconciler.apply.deliver import OverlayHost, overrule
from reconciler.apply.events import Ending, Event, Step
from reconciler.apply.handover import Broadcaster
from reconciler.model.errors import RefusedError, StalePlanError, UnreachableError
from reconciler.model.ids import Txid
from reconciler.model.journal import COMMITTED, GIVEN_UP, TRANSITIONS, EntryRole, JournalEvent, JournalState
from reconciler.store.journal import Journal, JournalEntry
from reconciler.store.transactions import Transactions
from reconciler.wire.arc import Standing, TxReport, TxStatus

PATIENCE: Final = 30.0
"""Seconds until an apply whose transaction is neither seen nor certain to have lost gives up waiting (PROTOCOL §4)."""
_POLL: Final = 0.5


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


def meaning(state: JournalState, standing: Standing, *, is_nowhere: bool = False) -> JournalEvent | None:
    """Where a report moves an entry. None: it says again what is known, or less than that.

    A committed entry moves by a block alone, and so does one that was given up (apply/recover.py). A refusal by all who were given it (`is_nowhere`) is no proof that it went nowhere, so it never voids; as long as not all
    have judged, nothing is decided at all.
    """
    event = MEANINGS[standing]
    if standing is Standing.REFUSED and state is JournalState.SENDING:
        event = JournalEvent.REFUSE if is_nowhere else None
    is_open = state not in COMMITTED | GIVEN_UP
    return event if is_open and event is not None and (state, event) in TRANSITIONS else None


async def broadcast(
    entry: JournalEntry,
    *,
    books: Books,
    arc: Broadcaster,
    judge: Judge,
    hosts: Mapping[str, OverlayHost],
    now: Callable[[], int],
    patience: float = PATIENCE,
    gives_up: bool = False,
) -> JournalEntry:
    """Bring an entry that is prepared or on its way to the commit point, or to its end: then it is given up.

    What belongs to a lock that has left is given up only with `gives_up`: the root would stay pending. Raises StalePlanError where it is not certain yet who wins a contest, UnreachableError where ARC does not say, and
    RefusedError where ARC does not take anything from us, or not what a lock waits for; all leave the entry for the next apply to finish.
    """
    if entry.state is JournalState.PREPARED:
        entry = await _move(entry, JournalEvent.SEND, books, now)
    txid = entry.root
    async with books.database.begin() as connection:
        beef = await Transactions(connection).beef([txid])
    # our own host may have learned the proof first
    report = await arc.submit(beef, txid) if beef.proof(txid) is None else TxReport(txid=txid, status=TxStatus.MINED)
    waited = 0.0
    while True:
        event = await _event(entry, report, arc)
        if event is JournalEvent.REFUSE and not gives_up:
            await _check_unbound(entry, report, books)
        entry = entry if event is None else await _move(entry, event, books, now)
        if entry.state in COMMITTED:
            books.tell(Event(step=Step.BROADCAST, subject=txid, ending=Ending.DONE, detail=report.status.value))
            return entry
        if entry.state in GIVEN_UP:
            _tell_end(books, txid, report.extra_info)
            return entry
        is_last = waited >= patience
        if entry.state is JournalState.CONTESTED and (
            rival := await judge.winner(beef, report, thorough=is_last or not waited)
        ):
            await overrule(rival, books=books, hosts=hosts, now=now())
            _tell_end(books, txid, f"{rival.transaction.txid} was mined, and spends the same")
            return replace(entry, state=JournalState.VOID)
        if is_last:
            raise _undecided(entry, report)
        await asyncio.sleep(_POLL)
        waited += _POLL
        report = await arc.status(txid) or report


async def _event(entry: JournalEntry, report: TxReport, arc: Broadcaster) -> JournalEvent | None:
    is_nowhere = report.standing is Standing.REFUSED and await arc.is_nowhere(entry.root)
    return meaning(entry.state, report.standing, is_nowhere=is_nowhere)


async def _check_unbound(entry: JournalEntry, report: TxReport, books: Books) -> None:
    """Raises RefusedError where a lock that has left waits for this entry."""
    async with books.database.reading() as connection:
        bound = await Journal(connection).bound()
    if entry.id in bound and entry.role is not EntryRole.LOCK:
        raise RefusedError(
            f"the network does not take what the pending root waits for: {report.extra_info or report.status.value}",
            where=entry.root,
            hint="repeat the command; where it is refused again and again, `overlay state unlock --pending`",
        )


async def _move(entry: JournalEntry, event: JournalEvent, books: Books, now: Callable[[], int]) -> JournalEntry:
    return replace(entry, state=await books.move(entry, event, now=now()))


def _tell_end(books: Books, txid: Txid, why: str) -> None:
    books.tell(Event(step=Step.BROADCAST, subject=txid, ending=Ending.FAILED, detail=why))


def _undecided(entry: JournalEntry, report: TxReport) -> StalePlanError | UnreachableError:
    detail = f"ARC says {report.status.value}" + (f" ({report.extra_info})" if report.extra_info else "")
    if entry.state is JournalState.CONTESTED and report.competing:
        return StalePlanError(
            f"another transaction spends the same coins, {report.competing[0]}; {detail}",
            where=entry.root,
            hint="the coins stay locked until one of the two is mined; apply again then",
        )
    if entry.state is JournalState.CONTESTED:
        return StalePlanError(
            f"the network does not take the transaction, and nobody names one that spends the same coins; {detail}",
            where=entry.root,
            hint="the coins stay locked until it or another spend of them is mined: apply again later, and see that "
            "spec.network.chainTracker and the hosts of the other machines that apply as this identity can be asked",
        )
    return UnreachableError(
        f"the network has not confirmed seeing the transaction; {detail}",
        where=entry.root,
        hint="repeat the command: it goes on from here",
    )
