"""Which payments are in a bundle that storage hosts keep (PROTOCOL §5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Column, ForeignKey, Table, exists, select

from reconciler.model.ids import Digest, Txid
from reconciler.model.payment import EARNED, PaymentState
from reconciler.store.columns import Instant
from reconciler.store.database import Hex, metadata
from reconciler.store.inserts import insert_new
from reconciler.store.payments import Payment, Payments, payments
from reconciler.store.works import Connection

bundled_payments = Table(
    "bundled_payments",
    metadata,
    Column("payment", Hex, ForeignKey("payments.txid"), primary_key=True),
    Column("bundle", Hex, nullable=False),
    Column("at", Instant, nullable=False),
)
"""`bundle` is the SHA-256 of the sealed bytes."""

_KEPT: Final = sorted(EARNED | {PaymentState.RETURNED})
"""What is ours, and what is owed to buyers."""


class Bundles:
    """The bundles of one gateway."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def waiting(self, limit: int) -> tuple[Payment, ...]:
        """Payments that are in no bundle yet, oldest first."""
        bundled = exists().where(bundled_payments.c.payment == payments.c.txid)
        return await Payments(self._connection).where(payments.c.state.in_(_KEPT), ~bundled, limit=limit)

    async def are_needed(self) -> bool:
        """Whether this database knows of no payment at all."""
        return await self._connection.scalar(select(payments.c.txid).limit(1)) is None

    async def note(self, bundle: Digest, bundled: Iterable[Txid], at: int) -> None:
        """These payments are in a bundle that is kept."""
        rows = [{"payment": payment, "bundle": bundle, "at": at} for payment in bundled]
        await insert_new(self._connection, bundled_payments, rows)
