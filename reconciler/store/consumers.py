"""What the producer's books say of one consumer: what it has paid, whether it is served, and what it is a paying member of."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from reconciler.model.ids import IdentityKey
from reconciler.store.producer import ConsumerStatus, producer_consumers
from reconciler.store.receipts import Receipts
from reconciler.store.works import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One consumer of one producer."""

    spent: int = 0
    """Satoshis in all, without what was lost again."""
    status: ConsumerStatus = ConsumerStatus.ACTIVE
    memberships: frozenset[str] = frozenset()
    """Names of the tiers whose fee is paid for now."""


async def account(connection: Connection, producer: IdentityKey, consumer: IdentityKey, *, now: int) -> Account:
    """The account of a consumer at `now` (unix seconds); one of whom nothing is known has paid nothing, and is served."""
    columns = producer_consumers.c
    known = await connection.execute(
        select(columns.total_payments_satoshis, columns.relationship_status).where(
            columns.producer_id == producer, columns.consumer_id == consumer
        )
    )
    row = known.one_or_none()
    if row is None:  # a membership is a payment, and nobody who has paid is unknown
        return Account()
    return Account(
        spent=row.total_payments_satoshis,
        status=ConsumerStatus(row.relationship_status),
        memberships=await Receipts(connection).memberships(consumer, now=now),
    )
