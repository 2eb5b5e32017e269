"""Finishing what an earlier apply left behind, and following what is on its way to a block."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler.apply.books import Books
from reconciler.apply.broadcast import PATIENCE, Broadcaster, broadcast
from reconciler.apply.contest import Judge, Proofs
from reconciler.apply.deliver import Delivered, OverlayHost, deliver
from reconciler.apply.events import Ending, Event, Step
from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.model.ids import IdentityKey, Txid
from reconciler.model.journal import JournalEvent, JournalState
from reconciler.store.database import Database
from reconciler.store.journal import Journal
from reconciler.store.transactions import Transactions
from reconciler.wire.arc import Standing, TxReport
from reconciler.wire.beef import Beef
from reconciler.wire.merkle import MerklePath, parse_path


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

    An entry that is only prepared is voided, not sent: the next plan will say the same, or something better. Raises as
    broadcast does where an entry cannot be decided yet.
    """
    await settle(books=books, arc=arc, proofs=judge.proofs, now=now)
    await _look_after_seen(books=books, arc=arc, judge=judge, now=now)
    async with books.database.begin() as connection:
        unfinished = await Journal(connection).unfinished()
    prepared = [entry for entry in unfinished if entry.state is JournalState.PREPARED]
    for entry in reversed(prepared):  # what spends another one's outputs goes first
        await books.move(entry, JournalEvent.ABANDON, now=now())
        detail = "nothing had been sent; its coins are free again"
        books.tell(Event(step=Step.RECOVER, subject=entry.id, ending=Ending.DONE, detail=detail))
    for entry in unfinished:
        if entry not in prepared:
            ended = await broadcast(entry, books=books, arc=arc, judge=judge, now=now, patience=patience)
            is_void = ended.state is JournalState.VOID
            detail = "void; its coins are free again" if is_void else f"generation {entry.generation} finished"
            books.tell(Event(step=Step.RECOVER, subject=entry.id, ending=Ending.DONE, detail=detail))
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


async def settle(*, books: Books, arc: Broadcaster, proofs: Proofs, now: Callable[[], int]) -> None:
    """Drop the proofs that a reorg took, then ask after every committed entry that no block proves, and keep what holds."""
    await _drop_lost_proofs(books=books, proofs=proofs, now=now)
    async with books.database.begin() as connection:
        waiting = await Journal(connection).unproven()
    for entry in waiting:
        path = await proof_of(entry.root, arc=arc, proofs=proofs)
        if path is not None:
            await books.prove(entry, path, now=now())
    await prove_coins(database=books.database, arc=arc, proofs=proofs)


async def _drop_lost_proofs(*, books: Books, proofs: Proofs, now: Callable[[], int]) -> None:
    """A reorg takes the end of the chain away: where the highest proof holds, all do."""
    while True:
        async with books.database.begin() as connection:
            newest = await Transactions(connection).newest_proofs()
        lost = [txid for txid, path in newest.items() if not await proofs.proven(path, txid)]
        if not lost:
            return
        await books.unprove(lost, now=now())


async def prove_coins(*, database: Database, arc: Broadcaster, proofs: Proofs) -> None:
    """The same for transactions that are not an apply's: coins that were received."""
    async with database.begin() as connection:
        unproven = await Transactions(connection).unproven()
    for txid in unproven:
        path = await proof_of(txid, arc=arc, proofs=proofs)
        if path is not None:
            async with database.begin() as connection:
                await Transactions(connection).prove(txid, path)


async def proof_of(txid: Txid, *, arc: Broadcaster, proofs: Proofs) -> MerklePath | None:
    """The Merkle path that ARC gives for a transaction, if it has one and it leads to a header of the chain."""
    report = await arc.status(txid)
    if report is None or report.standing is not Standing.MINED or report.merkle_path is None:
        return None
    path = parse_path(report.merkle_path)
    if not await proofs.proven(path, txid):
        raise UnreachableError(
            "ARC gave a proof that leads to no header of the chain",
            where=txid,
            hint="the header service may lag; try again",
        )
    return path
