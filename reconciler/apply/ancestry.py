"""The ancestry of what is ours, back to proofs: a reorg may take the proof with which a coin came, and what lies behind it.

Whoever gives out transactions by id is asked for the rest. A transaction is what hashes to its id, a proof what a header
confirms; nothing else is taken from the answer.
"""

from __future__ import annotations

from reconciler.apply.contest import Index, Proofs
from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.model.ids import Txid
from reconciler.store.coins import Coins
from reconciler.store.database import Database
from reconciler.store.journal import Journal
from reconciler.store.transactions import Transactions


async def complete(*, database: Database, index: Index, proofs: Proofs) -> None:
    """Fetch what is lacking behind open entries and live coins. Raises UnreachableError where nobody has it."""
    async with database.begin() as connection:
        ours = {txid for entry in await Journal(connection).open() for txid in entry.txids}
        ours |= {coin.outpoint.txid for coin in await Coins(connection).live()}
        lacking = await Transactions(connection).lacking(ours)
    for txid in sorted(lacking):
        await _fetch(txid, database=database, index=index, proofs=proofs)


async def _fetch(txid: Txid, *, database: Database, index: Index, proofs: Proofs) -> None:
    try:
        beef = await index.beef(txid)
    except RefusedError as error:
        raise UnreachableError(
            "a reorg took the proof of a coin, and nobody gives the transactions behind it",
            where=txid,
            hint="apply again when a block has it: see that spec.network.chainTracker answers",
        ) from error
    found = []
    for each, entry in beef.transactions.items():
        path = beef.proof(each)
        is_proven = path is not None and await proofs.proven(path, each)
        found.append((entry.transaction, path if is_proven else None))
    async with database.begin() as connection:
        for transaction, proof in found:
            await Transactions(connection).put(transaction, proof)
