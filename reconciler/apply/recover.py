"""Finishing what an earlier apply left behind, and following what is on its way to a block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from reconciler.apply.books import Books
from reconciler.apply.broadcast import Broadcaster, Proofs, broadcast
from reconciler.apply.deliver import Delivered, OverlayHost, deliver
from reconciler.apply.events import Ending, Event, Step
from reconciler.model.errors import UnreachableError
from reconciler.model.ids import Txid
from reconciler.model.journal import JournalEvent, JournalState
from reconciler.store.database import Database
from reconciler.store.journal import Journal
from reconciler.store.transactions import Transactions
from reconciler.wire.arc import Standing
from reconciler.wire.merkle import MerklePath, parse_path


async def recover(
    *,
    books: Books,
    arc: Broadcaster,
    hosts: Mapping[str, OverlayHost],
    now: Callable[[], int],
) -> Delivered:
    """Void what was never sent, bring what may have been sent to the commit point, and empty the outbox.

    An entry that is only prepared is voided, not sent: the next plan will say the same, or something better. Raises as
    broadcast does where an entry cannot be decided yet.
    """
    async with books.database.begin() as connection:
        unfinished = await Journal(connection).unfinished()
    for entry in unfinished:
        if entry.state is JournalState.PREPARED:
            await books.move(entry, JournalEvent.ABANDON, now=now())
            detail = "nothing had been sent; its coins are free again"
        else:
            await broadcast(entry, books=books, arc=arc, now=now)
            detail = f"generation {entry.generation} finished"
        books.tell(Event(step=Step.RECOVER, subject=entry.id, ending=Ending.DONE, detail=detail))
    return await deliver(books=books, hosts=hosts, now=now)


async def settle(*, books: Books, arc: Broadcaster, proofs: Proofs, now: Callable[[], int]) -> None:
    """Ask after every committed entry that no block proves yet, and keep the proofs that hold."""
    async with books.database.begin() as connection:
        waiting = await Journal(connection).unproven()
    for entry in waiting:
        path = await proof_of(entry.txids[-1], arc=arc, proofs=proofs)
        if path is not None:
            entry = replace(entry, state=await books.move(entry, JournalEvent.MINE, now=now(), path=path))  # noqa: PLW2901
    await prove_coins(database=books.database, arc=arc, proofs=proofs)


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
