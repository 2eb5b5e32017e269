"""The producer's books as an audit reads them: payments, and beside each what was written down because of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select

from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Outpoint, Txid
from reconciler.store.batches import batches
from reconciler.store.payments import Payment, Payments, payment_inputs
from reconciler.store.producer import (
    RevenueStatus,
    producer_consumers,
    producer_identities,
    producer_revenue,
    producer_streams,
    published_content,
)
from reconciler.store.receipts import Receipts, StoredReceipt
from reconciler.store.works import Connection
from reconciler.wire.merkle import MerklePath

_AT_ONCE: Final = 500
"""Payments that are read together: each has its ancestry."""


_COUNTED: Final = (
    select(func.count()).select_from(producer_revenue).where(producer_revenue.c.payment_status == RevenueStatus.EARNED)
)


@dataclass(frozen=True, slots=True)
class Revenue:
    """A row of producer_revenue."""

    satoshis: Satoshis
    status: str
    producer: str
    consumer: str | None
    record: str | None
    is_confirmed: bool


@dataclass(frozen=True, slots=True)
class Account:
    """One payment, and what stands beside it."""

    payment: Payment
    proof: MerklePath | None
    receipt: StoredReceipt | None
    revenue: Revenue | None
    held: frozenset[Outpoint]
    """The coins that no other payment may spend because of it."""


@dataclass(frozen=True, slots=True)
class Counters:
    """What was added up, sale by sale: by consumer (producer and consumer), by producer and by record."""

    consumers: Mapping[tuple[str, str], int]
    producers: Mapping[str, int]
    records: Mapping[str, int]
    revenues: int
    """Rows of producer_revenue that count."""


class Accounts:
    """Everything there is, as of one moment."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def all(self) -> AsyncIterator[Account]:
        """Every payment, in the order of their ids."""
        page = await Payments(self._connection).after(None, _AT_ONCE)
        while page:
            txids = [payment.txid for payment, _ in page]
            receipts = await Receipts(self._connection).of_payments(txids)
            revenue, held = await self._revenue(txids), await self._held(txids)
            for payment, proof in page:
                txid = payment.txid
                yield Account(payment, proof, receipts.get(txid), revenue.get(txid), held.get(txid, frozenset()))
            page = await Payments(self._connection).after(txids[-1], _AT_ONCE)

    async def counters(self) -> Counters:
        """What the counters of all tables say."""
        consumers = await self._connection.execute(select(producer_consumers))
        producers = await self._connection.execute(select(producer_identities))
        contents = await self._connection.execute(select(published_content))
        streams = await self._connection.execute(select(producer_streams))
        return Counters(
            consumers={(row.producer_id, row.consumer_id): row.total_payments_satoshis for row in consumers},
            producers={row.producer_id: row.total_revenue_satoshis for row in producers},
            records={row.content_id: row.total_revenue_satoshis for row in contents}
            | {row.stream_id: row.total_revenue_satoshis for row in streams},
            revenues=int(await self._connection.scalar(_COUNTED)),
        )

    async def _revenue(self, txids: list[Txid]) -> dict[Txid, Revenue]:
        found: dict[Txid, Revenue] = {}
        for batch in batches(txids):
            rows = select(producer_revenue).where(producer_revenue.c.revenue_id.in_(batch))
            found |= {
                Txid(row.revenue_id): Revenue(
                    Satoshis(row.amount_satoshis),
                    row.payment_status,
                    row.producer_id,
                    row.consumer_id,
                    row.content_id or row.stream_id,
                    row.confirmed_at is not None,
                )
                for row in await self._connection.execute(rows)
            }
        return found

    async def _held(self, txids: list[Txid]) -> dict[Txid, frozenset[Outpoint]]:
        found: dict[Txid, frozenset[Outpoint]] = {}
        for batch in batches(txids):
            rows = select(payment_inputs).where(payment_inputs.c.payment.in_(batch))
            for row in await self._connection.execute(rows):
                outpoint = Outpoint(Txid(row.txid), row.vout)
                found[Txid(row.payment)] = found.get(Txid(row.payment), frozenset()) | {outpoint}
        return found
