"""Finishing what an earlier apply left behind, and following what is on its way to a block."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler.apply.batches import until_mined
from reconciler.apply.books import Books
from reconciler.apply.broadcast import PATIENCE, Broadcaster, broadcast
from reconciler.apply.contest import Judge
from reconciler.apply.deliver import Delivered, OverlayHost, deliver
from reconciler.apply.events import Ending, Event, Step
from reconciler.apply.prove import settle
from reconciler.model.errors import RefusedError
from reconciler.model.ids import IdentityKey, Txid
from reconciler.model.journal import UNFINISHED, JournalEvent, JournalState
from reconciler.store.journal import Journal
from reconciler.store.transactions import Transactions
from reconciler.wire.arc import Standing, TxReport
from reconciler.wire.beef import Beef


async def recover(
    *,
    books: Books,
    arc: Broadcaster,
    judge: Judge,
    hosts: Mapping[str, OverlayHost],
    identity: IdentityKey,
    now: Callable[[], int],
    patience: float = PATIENCE,
) -> Delivered:
    """Void what was never sent or has lost, bring what may have been sent to the commit point, and empty the outbox.

    An entry that is only prepared is voided, not sent: the next plan will say the same, or something better. But what belongs
    to a lock that has left is sent: the root would stay pending. Raises as broadcast does where an entry cannot be decided yet.
    """
    await settle(books=books, arc=arc, proofs=judge.proofs, now=now)
    await _look_after_seen(books=books, arc=arc, judge=judge, now=now)
    async with books.database.begin() as connection:
        unfinished, bound = await Journal(connection).unfinished(), await Journal(connection).bound()
    prepared = [entry for entry in unfinished if entry.state is JournalState.PREPARED and entry.id not in bound]
    for entry in reversed(prepared):  # what spends another one's outputs goes first
        await books.move(entry, JournalEvent.ABANDON, now=now())
        detail = "nothing had been sent; its coins are free again"
        books.tell(Event(step=Step.RECOVER, subject=entry.id, ending=Ending.DONE, detail=detail))
    for left in unfinished:
        async with books.database.begin() as connection:
            current = await Journal(connection).get(left.id)
        if current is not None and current.state in UNFINISHED:  # one that lost takes those with it that build on it
            await until_mined(current, books=books, arc=arc, proofs=judge.proofs, now=now)
            ended = await broadcast(current, books=books, arc=arc, judge=judge, now=now, patience=patience)
            is_void = ended.state is JournalState.VOID
            whole = f"generation {current.generation}" if current.publishes else f"the {current.role}"
            detail = "void; its coins are free again" if is_void else f"{whole} finished"
            books.tell(Event(step=Step.RECOVER, subject=current.id, ending=Ending.DONE, detail=detail))
    return await deliver(books=books, hosts=hosts, arc=arc, identity=identity, now=now)


async def _look_after_seen(*, books: Books, arc: Broadcaster, judge: Judge, now: Callable[[], int]) -> None:
    """What was seen is not mined yet: dropped or thrown back by a reorg, it is sent again; or it has lost after all."""
    async with books.database.begin() as connection:
        seen = await Journal(connection).unproven()
        beefs = {entry.id: await Transactions(connection).beef([entry.root]) for entry in seen}
    for entry in seen:
        txid, beef = entry.root, beefs[entry.id]
        report = await arc.status(txid)
        if (report is None or report.standing is Standing.STALE) and beef.proof(txid) is None:
            report = await _sent_again(beef, txid, arc)
        if report is None or report.standing is not Standing.CONTESTED:
            continue
        rival = await judge.winner(beef.transactions[txid].transaction, report)
        if rival is not None:
            await books.lose(entry, rival, now=now())
            detail = f"{rival.txid} was mined, and spends the same; what is live is read anew"
            books.tell(Event(step=Step.RECOVER, subject=entry.id, ending=Ending.FAILED, detail=detail))
            return  # whatever was built upon it is void as well


async def _sent_again(beef: Beef, txid: Txid, arc: Broadcaster) -> TxReport | None:
    try:
        return await arc.submit(beef, txid)
    except RefusedError:  # it stays what it was, and is asked about again
        return None
