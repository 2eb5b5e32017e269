"""Sales in the producer's books: revenue, consumers and the counters of what was sold (store.producer).

A sale follows its payment (`Sales.follow`), from any state to any other, in the database transaction in which the payment
moves: what is earned counts, all else does not. So in every moment the revenue that is earned is the payments that are
earned, and what all consumers have paid.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final

from sqlalchemy import Executable, Update, bindparam, case, select, update

from reconciler.model.ids import IdentityKey, Kind, RecordId, Txid
from reconciler.model.payment import PaymentMethod, PaymentState
from reconciler.model.vocabulary import ConsumerState
from reconciler.store.batches import batches
from reconciler.store.inserts import inserting
from reconciler.store.payments import Payment, payments
from reconciler.store.producer import (
    RevenueStatus,
    producer_consumers,
    producer_identities,
    producer_revenue,
    producer_streams,
    published_content,
)
from reconciler.store.terms import Terms
from reconciler.store.works import Connection

STATUS: Final = {
    PaymentState.PENDING: RevenueStatus.PENDING,
    PaymentState.ACCEPTED: RevenueStatus.EARNED,
    PaymentState.DELIVERED: RevenueStatus.EARNED,
    PaymentState.REFUSED: RevenueStatus.REFUSED,
    PaymentState.UNBOOKED: RevenueStatus.UNBOOKED,
    PaymentState.RETURNED: RevenueStatus.RETURNED,
    PaymentState.RETRACTED: RevenueStatus.RETURNED,
}
"""What a payment's state is called as revenue."""

_SOLD: Final = {Kind.DATASET: published_content, Kind.STREAM: producer_streams}
"""Where what a good has earned is counted, besides the producer's own total; by its primary key, the record's id."""

_ADD_TO_PRODUCER: Final = (
    update(producer_identities)
    .where(producer_identities.c.producer_id == bindparam("producer"))
    .values(total_revenue_satoshis=producer_identities.c.total_revenue_satoshis + bindparam("difference"))
)
_ADD_TO_CONSUMER: Final = (
    update(producer_consumers)
    .where(
        producer_consumers.c.producer_id == bindparam("producer"),
        producer_consumers.c.consumer_id == bindparam("buyer"),
    )
    .values(total_payments_satoshis=producer_consumers.c.total_payments_satoshis + bindparam("difference"))
)
_ADD_TO_GOOD: Final = {
    kind: update(table)
    .where(next(iter(table.primary_key)) == bindparam("record"))
    .values(total_revenue_satoshis=table.c.total_revenue_satoshis + bindparam("difference"))
    for kind, table in _SOLD.items()
}
"""Made once: to make a statement costs more than to run it."""


class Sales:
    """What is in the books of one producer, or of several."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def follow(self, before: Payment, after: Payment, *, now: int) -> None:
        """A payment has moved, at `now` (unix seconds): so does the sale, if it makes one.

        Who had something for a payment that is lost is blocked, until all that he has lost came back.
        """
        terms = after.terms
        was, becomes = STATUS[before.state], STATUS[after.state]
        if terms is None or (was is becomes and (before.height is None) == (after.height is None)):
            return
        difference = after.satoshis * ((becomes is RevenueStatus.EARNED) - (was is RevenueStatus.EARNED))
        await self._note(after, terms, becomes, now)
        if difference > 0:
            await self._meet(after, terms, now)
        elif difference:
            given = {"difference": difference, "producer": terms.producer, "buyer": after.buyer}
            await self._connection.execute(_ADD_TO_CONSUMER, given)
        if difference:
            await self._add(terms, difference)
        if was is not becomes and becomes is RevenueStatus.UNBOOKED:
            await self._block(after.buyer, terms.producer)
        if was is not becomes and was is RevenueStatus.UNBOOKED:
            await self._unblock(after.buyer, terms.producer)

    async def unproven(self, gone: Iterable[Txid]) -> None:
        """The blocks that proved these payments are gone."""
        for batch in batches(gone):
            of_them = update(producer_revenue).where(producer_revenue.c.revenue_id.in_(batch))
            await self._connection.execute(of_them.values(confirmed_at=None))

    async def _meet(self, payment: Payment, terms: Terms, now: int) -> None:
        row = {
            "relationship_id": f"{terms.producer}/{payment.buyer}",
            "producer_id": terms.producer,
            "consumer_id": payment.buyer,
            "first_interaction_at": now,
            "last_interaction_at": now,
            "total_payments_satoshis": payment.satoshis,
            "consumer_tier": terms.tier,
        }
        await self._connection.execute(_meeting(self._connection.dialect.name), [row])

    async def _note(self, payment: Payment, terms: Terms, status: RevenueStatus, now: int) -> None:
        confirmed = None if payment.height is None else now
        if status is not RevenueStatus.EARNED:  # nothing is written of what was never earned
            noted = update(producer_revenue).where(producer_revenue.c.revenue_id == payment.txid)
            await self._connection.execute(noted.values(payment_status=status, confirmed_at=confirmed))
            return
        record = terms.good.sold
        row = {
            "revenue_id": payment.txid,
            "producer_id": terms.producer,
            "consumer_id": payment.buyer,
            "content_id": str(record) if record.kind is Kind.DATASET else None,
            "stream_id": str(record) if record.kind is Kind.STREAM else None,
            "payment_method": payment.tender.method,
            "amount_satoshis": payment.satoshis,
            "brc22_transaction_id": payment.txid,
            "d21_template_id": payment.tender.prefix if payment.tender.method is PaymentMethod.NATIVE else None,
            "payment_status": status,
            "revenue_splits": [portion.to_json() for portion in terms.portions] or None,
            "created_at": now,
            "confirmed_at": confirmed,
        }
        await self._connection.execute(_booking(self._connection.dialect.name), [row])

    async def _add(self, terms: Terms, difference: int) -> None:
        record, given = terms.good.sold, {"difference": difference}
        await self._connection.execute(_ADD_TO_PRODUCER, given | {"producer": terms.producer})
        if isinstance(record, RecordId) and record.kind in _ADD_TO_GOOD:
            await self._connection.execute(_ADD_TO_GOOD[record.kind], given | {"record": str(record)})

    async def _block(self, buyer: IdentityKey, producer: IdentityKey) -> None:
        consumer = producer_consumers.c
        before = case((consumer.status_before.is_(None), consumer.relationship_status), else_=consumer.status_before)
        blocked = _consumer(buyer, producer).values(
            relationship_status=ConsumerState.BLOCKED.value, status_before=before
        )
        await self._connection.execute(blocked)

    async def _unblock(self, buyer: IdentityKey, producer: IdentityKey) -> None:
        lost = select(payments.c.txid).where(
            payments.c.buyer == buyer, payments.c.state == PaymentState.UNBOOKED, payments.c.terms.is_not(None)
        )
        if await self._connection.scalar(lost.limit(1)) is not None:
            return
        consumer = producer_consumers.c
        restored = _consumer(buyer, producer).where(consumer.status_before.is_not(None))
        await self._connection.execute(restored.values(relationship_status=consumer.status_before, status_before=None))


def _consumer(buyer: IdentityKey, producer: IdentityKey) -> Update:
    consumer = producer_consumers.c
    return update(producer_consumers).where(consumer.producer_id == producer, consumer.consumer_id == buyer)


@cache
def _meeting(dialect: str) -> Executable:
    statement = inserting(dialect, producer_consumers)
    new = statement.excluded
    total = producer_consumers.c.total_payments_satoshis + new.total_payments_satoshis
    changed = {
        "last_interaction_at": new.last_interaction_at,
        "total_payments_satoshis": total,
        "consumer_tier": new.consumer_tier,
    }
    return statement.on_conflict_do_update(index_elements=["producer_id", "consumer_id"], set_=changed)


@cache
def _booking(dialect: str) -> Executable:
    statement = inserting(dialect, producer_revenue)
    changed = {name: statement.excluded[name] for name in ("payment_status", "confirmed_at")}
    return statement.on_conflict_do_update(index_elements=["revenue_id"], set_=changed)
