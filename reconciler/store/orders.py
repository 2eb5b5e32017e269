"""A consumer's orders, beside the journal that has their payments, and the roots of producers that it has seen."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    Row,
    Select,
    Table,
    Text,
    func,
    select,
    update,
)

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import LockedError
from reconciler.model.goods import Good, sold_id
from reconciler.model.ids import Digest, IdentityKey, Txid
from reconciler.model.journal import JournalState
from reconciler.model.order import SPENT, Order, OrderState, Sighting
from reconciler.model.payment import PaymentMethod
from reconciler.store.columns import Choice, Instant
from reconciler.store.database import Hex, metadata
from reconciler.store.inserts import insert_new, upsert
from reconciler.store.journal import journal
from reconciler.store.works import Connection

orders = Table(
    "orders",
    metadata,
    Column("id", Text, primary_key=True),
    Column("state", Choice(OrderState), nullable=False, index=True),
    Column("producer", Hex, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("gateway_key", Hex, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("document", Hex, nullable=False),
    Column("price", BigInteger, nullable=False),
    Column("method", Choice(PaymentMethod)),
    Column("payment", Text, ForeignKey("journal.id", deferrable=True, initially="DEFERRED"), index=True),
    Column("paid", BigInteger, nullable=False),
    Column("fee", BigInteger, nullable=False),
    Column("paid_at", Instant, index=True),
    Column("prefix", Text, nullable=False),
    Column("suffix", Text, nullable=False),
    Column("expires", Instant, nullable=False),
    Column("receipt", LargeBinary),
    Column("key", LargeBinary),
    Column("reason", Text, nullable=False),
    Column("created", Instant, nullable=False, index=True),
    Column("updated", Instant, nullable=False),
)
"""`payment` is the journal entry, which is named after its transaction."""

sightings = Table(
    "sightings",
    metadata,
    Column("producer", Hex, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("root", Text, nullable=False),
    Column("gateway", Text),
    Column("at", Instant, nullable=False),
)

_NAMES: Final = tuple(column.name for column in orders.columns if column.name not in {"kind", "name", "quantity"})
"""Columns that are called as the fields of an Order are."""


class Orders:
    """Orders, oldest first."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, order: Order) -> None:
        """Write a new one down."""
        await insert_new(self._connection, orders, [_row(order)])

    async def get(self, order: str) -> Order | None:
        """The order with this id, or None."""
        found = await self._find(select(orders).where(orders.c.id == order))
        return found[0] if found else None

    async def list(self, *, since: int = 0) -> tuple[Order, ...]:
        """All that were created at `since` (unix seconds) or later."""
        return await self._find(_oldest_first().where(orders.c.created >= since))

    async def among(self, *states: OrderState) -> tuple[Order, ...]:
        """All that are in one of these states."""
        return await self._find(_oldest_first().where(orders.c.state.in_(states)))

    async def of_good(self, order: Order) -> tuple[Order, ...]:
        """All orders for the same good of the same producer, this one among them."""
        same = (
            orders.c.producer == order.producer,
            orders.c.kind == str(order.good.sold.kind),
            orders.c.name == order.good.sold.name,
            orders.c.quantity == order.good.quantity,
        )
        return await self._find(_oldest_first().where(*same))

    async def of_payment(self, entry: str) -> Order | None:
        """The order that a journal entry pays for."""
        found = await self._find(select(orders).where(orders.c.payment == entry))
        return found[0] if found else None

    async def adrift(self, *journal_states: JournalState, state: OrderState) -> tuple[Order, ...]:
        """Those in `state` whose payments the journal has in one of these states."""
        query = _oldest_first().join(journal, journal.c.id == orders.c.payment)
        return await self._find(query.where(orders.c.state == state, journal.c.state.in_(journal_states)))

    async def replace(self, before: Order, after: Order) -> None:
        """Write down what an order is now. Raises LockedError where somebody else moved it on meanwhile."""
        known = (orders.c.id == before.id, orders.c.state == before.state, orders.c.updated == before.updated)
        if await self._connection.changed(update(orders).where(*known).values(_row(after))) != 1:
            raise LockedError("another process moved the order on at the same time", where=before.id)

    async def spent_since(self, at: int) -> Satoshis:
        """What was paid at or after `at` (unix seconds), or may have been, fees included."""
        cost = select(func.coalesce(func.sum(orders.c.paid + orders.c.fee), 0))
        spent = await self._connection.scalar(cost.where(orders.c.paid_at >= at, orders.c.state.in_(sorted(SPENT))))
        return Satoshis(int(spent or 0))

    async def _find(self, query: Select[Any]) -> tuple[Order, ...]:
        return tuple(_order(row) for row in await self._connection.execute(query))


class Sightings:
    """The newest root of each producer that was ever seen here."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, producer: IdentityKey) -> Sighting | None:
        """What was seen of a producer."""
        row = (await self._connection.execute(select(sightings).where(sightings.c.producer == producer))).one_or_none()
        return None if row is None else _sighting(row)

    async def list(self) -> tuple[Sighting, ...]:
        """Of all producers, the last one seen first."""
        query = select(sightings).order_by(sightings.c.at.desc(), sightings.c.producer)
        return tuple(_sighting(row) for row in await self._connection.execute(query))

    async def put(self, sighting: Sighting) -> None:
        """Remember it, unless a later generation is known."""
        known = await self.get(sighting.producer)
        if known is None or known.generation <= sighting.generation:
            row = {name: getattr(sighting, name) for name in ("producer", "generation", "root", "gateway", "at")}
            await upsert(self._connection, sightings, [row], keys=["producer"])


def _oldest_first() -> Select[Any]:
    return select(orders).order_by(orders.c.created, orders.c.id)


def _row(order: Order) -> dict[str, object]:
    return {
        **{name: getattr(order, name) for name in _NAMES},
        "kind": str(order.good.sold.kind),
        "name": order.good.sold.name,
        "quantity": order.good.quantity,
    }


def _order(row: Row[Any]) -> Order:
    given = {name: getattr(row, name) for name in _NAMES}
    return Order(
        **given
        | {
            "producer": IdentityKey(row.producer),
            "gateway_key": IdentityKey(row.gateway_key),
            "good": Good(sold_id(row.kind, row.name), row.quantity),
            "document": Digest(row.document),
            "price": Satoshis(row.price),
            "payment": None if row.payment is None else Txid(row.payment),
            "paid": Satoshis(row.paid),
            "fee": Satoshis(row.fee),
        }
    )


def _sighting(row: Row[Any]) -> Sighting:
    return Sighting(
        producer=IdentityKey(row.producer),
        generation=row.generation,
        root=row.root,
        gateway=row.gateway,
        at=row.at,
    )
