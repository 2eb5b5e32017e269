"""Which transactions a producer waits for a block of. A host of his keeps other people's in the same database."""

from __future__ import annotations

from sqlalchemy import or_, select

from reconciler.model.ids import Txid
from reconciler.store.coins import coins
from reconciler.store.host_tables import host_transactions
from reconciler.store.journal import journal_transactions
from reconciler.store.transactions import transactions
from reconciler.store.works import Connection


async def waiting(connection: Connection) -> tuple[Txid, ...]:
    """The unproven transactions that hold coins of ours, that an apply has made, or that the host knows nothing of; by id."""
    txid = transactions.c.txid
    ours = or_(
        txid.in_(select(coins.c.txid)),
        txid.in_(select(journal_transactions.c.txid)),
        txid.not_in(select(host_transactions.c.txid)),
    )
    found = await connection.scalars(select(txid).where(transactions.c.height.is_(None), ours).order_by(txid))
    return tuple(Txid(each) for each in found)
