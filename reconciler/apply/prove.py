"""Following what is on its way to a block: proofs are kept while they hold, and asked for until there are some."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.apply.books import Books
from reconciler.apply.contest import Proofs, Reporter
from reconciler.model.errors import UnreachableError
from reconciler.model.ids import Txid
from reconciler.store.database import Database
from reconciler.store.journal import Journal
from reconciler.store.transactions import Transactions
from reconciler.store.waiting import waiting
from reconciler.wire.arc import Standing
from reconciler.wire.merkle import MerklePath, parse_path


async def settle(*, books: Books, arc: Reporter, proofs: Proofs, now: Callable[[], int]) -> None:
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


async def prove_coins(*, database: Database, arc: Reporter, proofs: Proofs) -> None:
    """The same for transactions that are not an apply's: coins that were received. Other people's are their hosts' to ask after."""
    async with database.reading() as connection:
        unproven = await waiting(connection)
    for txid in unproven:
        path = await proof_of(txid, arc=arc, proofs=proofs)
        if path is not None:
            async with database.begin() as connection:
                await Transactions(connection).prove(txid, path)


async def proof_of(txid: Txid, *, arc: Reporter, proofs: Proofs) -> MerklePath | None:
    """The Merkle path that ARC gives for a transaction, if it has one and it leads to a header of the chain."""
    try:
        report = await arc.status(txid)
    except UnreachableError:  # the next look asks again; whoever must know now asks for himself
        return None
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
