"""Which transactions a host stands by, where they are proven, and who spends what.

Their bytes and proofs lie in `Transactions`; here is only what a host adds to them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    Row,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from reconciler.model.ids import Digest, Outpoint, Txid
from reconciler.store.batches import batches
from reconciler.store.host_tables import (
    host_spends,
    host_transactions,
)
from reconciler.store.inserts import insert_new
from reconciler.store.outpoints import among, among_bound, bound
from reconciler.store.works import Connection
from reconciler.wire.transaction import Transaction

_NOTHING: Final = Txid("00" * 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockProof:
    """Where a transaction is proven to be."""

    height: int
    root: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTransaction:
    """What a host thinks of one transaction."""

    txid: Txid
    shadowed: bool
    proof: BlockProof | None


_TRANSACTION: Final = (
    host_transactions.c.txid,
    host_transactions.c.shadowed,
    host_transactions.c.height,
    host_transactions.c.root,
)

# Prepared: to make a statement costs several times what it takes to run one.
_BY_TXID: Final = select(*_TRANSACTION).where(host_transactions.c.txid.in_(bindparam("txids", expanding=True)))

_SPENDERS: Final = (
    select(host_spends.c.txid).where(among_bound(host_spends.c.spent_txid, host_spends.c.spent_vout)).limit(1)
)


def coins_of(transaction: Transaction) -> tuple[Outpoint, ...]:
    """What a transaction spends; of coinbases nothing, for all of them spend the same, and no two are rivals."""
    return tuple(spent.outpoint for spent in transaction.inputs if spent.outpoint.txid != _NOTHING)


class HostTransactions:
    """Which transactions a host stands by, and who spends what."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, txids: Collection[Txid]) -> dict[Txid, HostTransaction]:
        """Those of `txids` that the host knows."""
        found = {}
        for some in batches(txids):
            rows = await self._connection.execute(_BY_TXID, {"txids": some})
            found.update({row.txid: _transaction(row) for row in rows})
        return found

    async def add(self, *arriving: tuple[Transaction, BlockProof | None], shadowed: bool) -> None:
        """Take up transactions that are not known yet, and what they spend."""
        rows = [
            {"txid": transaction.txid, "shadowed": shadowed, "asked": 0} | _proof_columns(proof)
            for transaction, proof in arriving
        ]
        if rows:
            await self._connection.execute(insert(host_transactions), rows)
        spends = [
            {"spent_txid": coin.txid, "spent_vout": coin.vout, "txid": transaction.txid}
            for transaction, _ in arriving
            for coin in coins_of(transaction)
        ]
        await insert_new(self._connection, host_spends, spends)

    async def are_contested(self, coins: Iterable[Outpoint]) -> bool:
        """Whether a known transaction spends any of these."""
        for some in batches(coins):
            if (await self._connection.execute(_SPENDERS, bound(some))).first() is not None:
                return True
        return False

    async def rivals(self, txid: Txid, spends: Collection[Outpoint]) -> tuple[HostTransaction, ...]:
        """Other transactions that spend any of these coins, in order of arrival."""
        rows = {}
        for some in batches(spends):
            query = (
                select(host_transactions.c.id, *_TRANSACTION)
                .join(host_spends, host_spends.c.txid == host_transactions.c.txid)
                .where(among(host_spends.c.spent_txid, host_spends.c.spent_vout, some), host_spends.c.txid != txid)
            )
            rows.update({row.id: row for row in await self._connection.execute(query)})
        return tuple(_transaction(rows[key]) for key in sorted(rows))

    async def spends(self, txid: Txid) -> tuple[Outpoint, ...]:
        """The coins that a known transaction spends."""
        query = select(host_spends.c.spent_txid, host_spends.c.spent_vout).where(host_spends.c.txid == txid)
        return tuple(Outpoint(row.spent_txid, row.spent_vout) for row in await self._connection.execute(query))

    async def children(self, txids: Collection[Txid]) -> tuple[HostTransaction, ...]:
        """The known transactions that spend an output of any of these, in order of arrival."""
        rows = {}
        for some in batches(txids):
            query = (
                select(host_transactions.c.id, *_TRANSACTION)
                .join(host_spends, host_spends.c.txid == host_transactions.c.txid)
                .where(host_spends.c.spent_txid.in_(some))
            )
            rows.update({row.id: row for row in await self._connection.execute(query)})
        return tuple(_transaction(rows[key]) for key in sorted(rows))

    async def prove(self, txid: Txid, proof: BlockProof | None) -> None:
        """Record where a transaction is proven to be, or, with None, that it is not any more."""
        await self._connection.execute(
            update(host_transactions).where(host_transactions.c.txid == txid).values(_proof_columns(proof))
        )

    async def shadow(self, txid: Txid, shadowed: bool) -> None:
        """Stand by a transaction no longer, or again."""
        await self._connection.execute(
            update(host_transactions).where(host_transactions.c.txid == txid).values(shadowed=shadowed)
        )

    async def evict(self, txids: Collection[Txid]) -> None:
        """Forget transactions, with the outputs that they brought."""
        for some in batches(txids):
            await self._connection.execute(delete(host_transactions).where(host_transactions.c.txid.in_(some)))

    async def highest_proofs(self) -> tuple[tuple[Txid, BlockProof], ...]:
        """All transactions proven by the highest block that proves any."""
        columns = host_transactions.c
        highest = select(func.max(columns.height)).scalar_subquery()
        query = select(columns.txid, columns.height, columns.root).where(columns.height == highest)
        rows = await self._connection.execute(query)
        return tuple((row.txid, BlockProof(height=row.height, root=row.root)) for row in rows)

    async def ask_soon(self, txids: Collection[Txid]) -> None:
        """Have ARC asked about these next, those of them that are here and unproven."""
        for some in batches(txids):
            await self._connection.execute(
                update(host_transactions).where(host_transactions.c.txid.in_(some)).values(asked=0)
            )

    async def ask_about(self, most: int, now: int) -> tuple[Txid, ...]:
        """At most so many unproven transactions, those first about which ARC was not asked for longest; notes `now`."""
        query = (
            select(host_transactions.c.txid)
            .where(host_transactions.c.height.is_(None))
            .order_by(host_transactions.c.asked, host_transactions.c.id)
            .limit(most)
        )
        txids = tuple((await self._connection.execute(query)).scalars())
        for some in batches(txids):
            await self._connection.execute(
                update(host_transactions).where(host_transactions.c.txid.in_(some)).values(asked=now)
            )
        return txids


def _proof_columns(proof: BlockProof | None) -> dict[str, object]:
    return {"height": proof.height if proof else None, "root": proof.root if proof else None}


def _transaction(row: Row[*tuple[Any, ...]]) -> HostTransaction:
    proof = None if row.height is None else BlockProof(height=row.height, root=row.root)
    return HostTransaction(txid=row.txid, shadowed=row.shadowed, proof=proof)
