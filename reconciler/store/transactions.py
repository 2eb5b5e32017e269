"""Transactions with their proofs, and the BEEF that shows them to a stranger.

Raw ancestry is kept, also behind proofs: a reorg takes proofs away and rebroadcasts (PROTOCOL §4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Column, Executable, Integer, LargeBinary, Row, Table, func, select, update

from reconciler.model.errors import StateError, VerificationError
from reconciler.model.ids import Digest, Txid
from reconciler.store.batches import batches
from reconciler.store.database import Hex, metadata
from reconciler.store.inserts import insert_new, inserting
from reconciler.store.works import Connection
from reconciler.wire.beef import Beef, BeefTx
from reconciler.wire.merkle import MerklePath, combine, parse_path
from reconciler.wire.transaction import Transaction, parse_transaction

transactions = Table(
    "transactions",
    metadata,
    Column("txid", Hex, primary_key=True),
    Column("raw", LargeBinary, nullable=False),
    Column("proof", LargeBinary),
    Column("height", Integer, index=True),
)
"""`proof` is the BUMP, `height` that of its block; both or neither."""


@dataclass(frozen=True, slots=True)
class StoredTransaction:
    """A transaction, and the Merkle path that proves it if there is one."""

    transaction: Transaction
    proof: MerklePath | None

    @property
    def height(self) -> int | None:
        """Of the block that proves it."""
        return None if self.proof is None else self.proof.height

    @property
    def unproven_parents(self) -> frozenset[Txid]:
        """Whose transactions a verifier needs as well: none, once this one is proven."""
        return frozenset() if self.proof else frozenset(spent.outpoint.txid for spent in self.transaction.inputs)


class Transactions:
    """Transactions by id."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, transaction: Transaction, proof: MerklePath | None = None) -> None:
        """Keep a transaction, with its proof if there is one. Idempotent; never takes a proof away."""
        await insert_new(self._connection, transactions, [{"txid": transaction.txid, "raw": transaction.raw}])
        if proof is not None:
            await self.prove(transaction.txid, proof)

    async def keep(self, arriving: Iterable[tuple[Transaction, MerklePath | None]]) -> None:
        """`put` for many. Whether a path leads to the chain is for the caller to know; that it proves its transaction, too."""
        rows = [
            {
                "txid": transaction.txid,
                "raw": transaction.raw,
                "proof": None if path is None else path.only([transaction.txid]).to_bytes(),
                "height": None if path is None else path.height,
            }
            for transaction, path in arriving
        ]
        if rows:
            await self._connection.execute(_keep(self._connection.dialect.name), rows)

    async def get(self, txid: Txid) -> StoredTransaction | None:
        """The transaction with this id, or None."""
        return (await self.find([txid])).get(txid)

    async def prove(self, txid: Txid, path: MerklePath) -> None:
        """Keep the proof of a transaction that is here, and nothing else of the path. Whether the path leads to the chain is for the caller to know.

        Raises VerificationError if the path does not start at this transaction, StateError if the transaction is not here.
        """
        if not path.proves(txid):
            raise VerificationError("the Merkle path does not prove this transaction", where=txid)
        await self._write(txid, path.only([txid]).to_bytes(), path.height)

    async def unprove(self, txid: Txid) -> None:
        """Forget a proof whose block is gone. Raises StateError if the transaction is not here."""
        await self._write(txid, None, None)

    async def unproven(self) -> tuple[Txid, ...]:
        """All transactions without a proof, in the order of their ids."""
        query = select(transactions.c.txid).where(transactions.c.height.is_(None)).order_by(transactions.c.txid)
        return tuple(Txid(txid) for txid in await self._connection.scalars(query))

    async def pending(self) -> tuple[Transaction, ...]:
        """The same, whole."""
        found = await self.find(await self.unproven())
        return tuple(each.transaction for each in found.values())

    async def highest(self) -> int | None:
        """The highest block that there is a proof by."""
        highest: int | None = await self._connection.scalar(select(func.max(transactions.c.height)))
        return highest

    async def newest_proofs(self) -> dict[Txid, MerklePath]:
        """The proofs by the highest block there is one of: a reorg shows there first."""
        top = select(func.max(transactions.c.height)).scalar_subquery()
        query = select(transactions.c.txid, transactions.c.proof).where(transactions.c.height == top)
        rows = await self._connection.execute(query)
        return {Txid(row.txid): parse_path(row.proof) for row in rows}

    async def beef(self, txids: Iterable[Txid]) -> Beef:
        """These transactions with their ancestry back to proven ones, each once, parents first.

        Raises StateError if one of them, or an ancestor that is needed, is not here.
        """
        found: dict[Txid, StoredTransaction] = {}
        wanted = set(txids)
        while wanted:
            stored = await self.find(wanted)
            for absent in sorted(wanted - stored.keys()):
                raise StateError("a transaction that is needed to prove another one is not stored", where=absent)
            found |= stored
            wanted = {parent for each in stored.values() for parent in each.unproven_parents} - found.keys()
        return _beef(found)

    async def lacking(self, txids: Iterable[Txid]) -> frozenset[Txid]:
        """Those of these transactions, and of their unproven ancestry, that no block proves and that spend what is not here."""
        found: dict[Txid, StoredTransaction] = {}
        wanted = set(txids)
        while wanted:  # only what was found leads on, so what is absent is looked for once a child
            stored = await self.find(wanted)
            found |= stored
            wanted = {parent for each in stored.values() for parent in each.unproven_parents} - found.keys()
        return frozenset(txid for txid, each in found.items() if not each.unproven_parents <= found.keys())

    async def find(self, txids: Iterable[Txid]) -> dict[Txid, StoredTransaction]:
        """Those of `txids` that are here."""
        found: dict[Txid, StoredTransaction] = {}
        for batch in batches(txids):
            rows = await self._connection.execute(select(transactions).where(transactions.c.txid.in_(batch)))
            found |= {Txid(row.txid): _stored(row) for row in rows}
        return found

    async def _write(self, txid: Txid, proof: bytes | None, height: int | None) -> None:
        write = update(transactions).where(transactions.c.txid == txid).values(proof=proof, height=height)
        if await self._connection.changed(write) != 1:
            raise StateError("there is no such transaction in the database", where=txid)


@cache
def _keep(dialect: str) -> Executable:
    statement = inserting(dialect, transactions)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[transactions.c.txid],
        set_={"proof": new.proof, "height": new.height},
        where=new.proof.is_not(None),
    )


def _stored(row: Row[Any]) -> StoredTransaction:
    return StoredTransaction(parse_transaction(row.raw), None if row.proof is None else parse_path(row.proof))


def _beef(found: Mapping[Txid, StoredTransaction]) -> Beef:
    paths: defaultdict[tuple[int, Digest], list[MerklePath]] = defaultdict(list)
    for stored in found.values():
        if stored.proof is not None:
            paths[stored.proof.height, stored.proof.block_root].append(stored.proof)
    bump_of = {block: index for index, block in enumerate(sorted(paths))}
    return Beef.of(
        [combine(paths[block]) for block in bump_of], [_beef_tx(found[txid], bump_of) for txid in sorted(found)]
    )


def _beef_tx(stored: StoredTransaction, bump_of: Mapping[tuple[int, Digest], int]) -> BeefTx:
    proof = stored.proof
    return BeefTx(stored.transaction, None if proof is None else bump_of[proof.height, proof.block_root])
