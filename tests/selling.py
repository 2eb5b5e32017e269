"""A producer's books, and payments for them that no chain has seen: for whoever tests what a sale leaves there."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import func, insert, select

from reconciler.model.amounts import Satoshis
from reconciler.model.goods import Good
from reconciler.model.ids import Digest, IdentityKey, Kind, Outpoint, RecordId, Txid
from reconciler.model.payment import EARNED, Accept, PaymentMethod
from reconciler.payments.conditions import Conditions
from reconciler.payments.verdict import Policy
from reconciler.store.database import Database
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
from reconciler.wire.beef import Beef, BeefTx
from reconciler.wire.script import p2pkh
from reconciler.wire.tender import Tender
from reconciler.wire.transaction import Transaction, TxInput, TxOutput
from tests.paying import keys_of

PRODUCER = keys_of("producer").identity
SELLER = keys_of("gateway of producer")
NETWORK = Digest("0b" * 32)
VERSION = Digest("d0" * 32)
BTC = Good(RecordId(Kind.DATASET, "btc"))
ETH = Good(RecordId(Kind.DATASET, "eth"))
LIVE = Good(RecordId(Kind.STREAM, "live"))
MONTH = 30 * 86_400


def terms(good: Good = BTC, **more) -> Terms:
    given = {
        "network": NETWORK,
        "producer": PRODUCER,
        "good": good,
        "document": VERSION,
        "downloads": 10,
        "bytes": 10 << 20,
        "seconds": MONTH,
        "tier": "standard",
    }
    return Terms(**{**given, **more})


def selling(good: Good = BTC, *, accept: Accept = Accept.SEEN, **more) -> Conditions:
    return Conditions(terms=terms(good, **more), policy=Policy(accept=accept))


async def open_books(database: Database) -> None:
    """The producer, as an apply leaves it, with what is sold."""
    own = {"producer_id": PRODUCER, "identity_key": PRODUCER, "name": "acme", "display_name": "Acme"}
    common = {"producer_id": PRODUCER, "title": "Title"}
    contents = [
        {**common, "content_id": str(each), "name": each.record.name, "content_type": "text/csv", "pricing": {}}
        for each in (BTC, ETH)
    ]
    stream = {"stream_id": str(LIVE), "name": "live", "stream_format": "json", "update_frequency_ms": 1}
    async with database.begin() as connection:
        await connection.execute(insert(producer_identities), [own])
        await connection.execute(insert(published_content), contents)
        await connection.execute(insert(producer_streams), [{**common, **stream, "price_per_minute_satoshis": 1}])


def payment(
    number: int = 0,
    *,
    coin: int | None = None,
    buyer: IdentityKey | None = None,
    satoshis: int = 1000,
    good: Good = BTC,
    booked: int = 1_800_000_000,
    **more,
) -> Payment:
    """A payment of its own transaction, which spends one coin."""
    buyer = buyer or keys_of("buyer").identity
    spent = Outpoint(Txid(f"{number if coin is None else coin:064x}"), 0)
    output = TxOutput(Satoshis(satoshis), p2pkh(SELLER.identity))
    transaction = Transaction((TxInput(spent, b"\x51"),), (output,), lock_time=number)
    tender = Tender(
        method=PaymentMethod.BRC105,
        buyer=buyer,
        prefix="cHJlZml4",
        suffix=f"{number}",
        beef=Beef.of((), [BeefTx(transaction)]),
        subject=transaction.txid,
        vout=0,
    )
    made = Payment(
        tender=tender,
        good=str(good),
        price=Satoshis(satoshis),
        satoshis=Satoshis(satoshis),
        booked=booked,
        doubted=booked,
        terms=terms(good),
    )
    return replace(made, **more)


@dataclass(frozen=True)
class Totals:
    """The same money, as six tables have it."""

    payments: int
    revenue: int
    consumers: int
    producer: int
    goods: int

    @property
    def agree(self) -> bool:
        return len({self.payments, self.revenue, self.consumers, self.producer, self.goods}) == 1


async def totals(connection: Connection) -> Totals:
    async def added(column, *where) -> int:
        return int(await connection.scalar(select(func.coalesce(func.sum(column), 0)).where(*where)))

    is_earned = payments.c.state.in_(sorted(EARNED)), payments.c.terms.is_not(None)
    return Totals(
        payments=await added(payments.c.satoshis, *is_earned),
        revenue=await added(
            producer_revenue.c.amount_satoshis, producer_revenue.c.payment_status == RevenueStatus.EARNED
        ),
        consumers=await added(producer_consumers.c.total_payments_satoshis),
        producer=await added(producer_identities.c.total_revenue_satoshis),
        goods=await added(published_content.c.total_revenue_satoshis)
        + await added(producer_streams.c.total_revenue_satoshis),
    )
