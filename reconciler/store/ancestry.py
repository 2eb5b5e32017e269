"""What lies behind stored transactions, back to proofs: a reorg may take the proof with which a coin came, and leave it bare.

Whoever gives out transactions by id is asked for the rest. A transaction is what hashes to its id, a proof what a header
confirms; nothing else is taken from the answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.model.ids import Txid
from reconciler.store.database import Database
from reconciler.store.transactions import Transactions
from reconciler.wire.beef import Beef
from reconciler.wire.merkle import MerklePath


class Archive(Protocol):
    """Whoever gives out transactions by id."""

    async def beef(self, named: Txid) -> Beef:
        """A transaction with its proof, or its ancestry back to proofs. Raises UnreachableError, RefusedError."""
        ...


class Proofs(Protocol):
    """The chain's headers."""

    async def proven(self, path: MerklePath, txid: Txid) -> bool:
        """Whether the path leads from the transaction to a header of the chain. Raises UnreachableError, RefusedError."""
        ...


async def complete(txids: Iterable[Txid], *, database: Database, archive: Archive, proofs: Proofs) -> None:
    """Fetch what is lacking behind these transactions. Raises UnreachableError where nobody has it."""
    async with database.begin() as connection:
        lacking = await Transactions(connection).lacking(txids)
    for txid in sorted(lacking):
        await _fetch(txid, database=database, archive=archive, proofs=proofs)


async def _fetch(txid: Txid, *, database: Database, archive: Archive, proofs: Proofs) -> None:
    try:
        beef = await archive.beef(txid)
    except RefusedError as error:
        raise UnreachableError(
            "a reorg took the proof of a coin, and nobody gives the transactions behind it",
            where=txid,
            hint="try again when a block has it: see that spec.network.chainTracker answers",
        ) from error
    found = []
    for each, entry in beef.transactions.items():
        path = beef.proof(each)
        is_proven = path is not None and await proofs.proven(path, each)
        found.append((entry.transaction, path if is_proven else None))
    async with database.begin() as connection:
        for transaction, proof in found:
            await Transactions(connection).put(transaction, proof)
