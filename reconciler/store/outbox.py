"""The outbox: which host is still to be told about which transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    ForeignKey,
    Integer,
    Row,
    Table,
    Text,
    UniqueConstraint,
    delete,
    exists,
    or_,
    select,
    update,
)

from reconciler.model.errors import StateError
from reconciler.model.ids import Digest, Txid
from reconciler.model.journal import COMMITTED
from reconciler.store.batches import batches
from reconciler.store.coins import CoinState, Purpose, coins
from reconciler.store.columns import JSON_VALUE, Choice, Instant
from reconciler.store.database import Hex, metadata
from reconciler.store.inserts import insert_new
from reconciler.store.journal import journal, journal_transactions
from reconciler.store.transactions import transactions
from reconciler.store.works import Connection


class DeliveryState(StrEnum):
    """Whether a host has taken a delivery."""

    PENDING = "pending"
    DONE = "done"


outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("entry", Text, ForeignKey("journal.id", deferrable=True, initially="DEFERRED"), nullable=False),
    Column("host", Text, nullable=False),
    Column("txid", Hex, nullable=False),
    Column("topics", JSON_VALUE, nullable=False),
    Column("documents", JSON_VALUE, nullable=False),
    Column("state", Choice(DeliveryState), nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("updated", Instant),
    UniqueConstraint("entry", "host", "txid"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One transaction for one host, with its topics and the documents that go with it."""

    entry: str
    host: str
    txid: Txid
    topics: tuple[str, ...]
    documents: tuple[Digest, ...] = ()
    """In the order in which they are sent."""
    id: int = 0
    """Given by the outbox; 0 before."""
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    last_error: str = ""
    """Why the last attempt failed; empty if none has."""
    updated: int | None = None
    """Of the last attempt, in unix seconds."""


class Outbox:
    """Deliveries in the order in which they were added, which is that of the chain."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, deliveries: Iterable[Delivery]) -> None:
        """Put new deliveries in, pending. Idempotent by entry, host and transaction."""
        await insert_new(self._connection, outbox, [_row(delivery) for delivery in deliveries])

    async def pending(self) -> tuple[Delivery, ...]:
        """What hosts are to be told now: nothing of an entry before its commit point, or while it is contested."""
        query = (
            select(outbox)
            .join(journal, journal.c.id == outbox.c.entry)
            .where(outbox.c.state == DeliveryState.PENDING, journal.c.state.in_(sorted(COMMITTED)))
            .order_by(outbox.c.id)
        )
        return tuple(_delivery(row) for row in await self._connection.execute(query))

    async def pending_hosts(self, unfinished: Iterable[str]) -> frozenset[str]:
        """The hosts that are to be told something now, or once these unfinished entries are at their commit point."""
        told = or_(journal.c.state.in_(sorted(COMMITTED)), journal.c.id.in_(tuple(unfinished)))
        query = (
            select(outbox.c.host)
            .join(journal, journal.c.id == outbox.c.entry)
            .where(outbox.c.state == DeliveryState.PENDING, told)
        )
        return frozenset(await self._connection.scalars(query))

    async def forget(self, delivery: int) -> None:
        """Nobody is to be told this any more."""
        await self._connection.execute(delete(outbox).where(outbox.c.id == delivery))

    async def forget_told(self, height: int) -> None:
        """Nobody needs to know any more who was told what blocks up to this height prove: no reorg asks for it to be told again."""
        await self._connection.execute(delete(outbox).where(outbox.c.state == DeliveryState.DONE, _buried(height)))

    async def forget_moot(self, deliveries: Iterable[int], height: int) -> None:
        """Those of these deliveries that blocks up to this height prove, and of which nothing is live any more."""
        holds = exists().where(
            coins.c.txid == outbox.c.txid, coins.c.purpose == Purpose.TOKEN, coins.c.state != CoinState.SPENT
        )
        for batch in batches(deliveries):
            moot = delete(outbox).where(outbox.c.id.in_(batch), _buried(height), ~holds)
            await self._connection.execute(moot)

    async def of(self, entry: str) -> tuple[Delivery, ...]:
        """All deliveries of one entry, done ones too, unless they are long ago."""
        rows = await self._connection.execute(select(outbox).where(outbox.c.entry == entry).order_by(outbox.c.id))
        return tuple(_delivery(row) for row in rows)

    async def done(self, delivery: int, *, now: int) -> None:
        """The host has it. Raises StateError for an unknown delivery."""
        await self._attempted(delivery, now, DeliveryState.DONE, "")

    async def failed(self, delivery: int, error: str, *, now: int) -> None:
        """The attempt failed; the delivery stays pending. Raises StateError for an unknown delivery, or one that is done."""
        await self._attempted(delivery, now, DeliveryState.PENDING, error)

    async def rest(self, entry: str) -> None:
        """The entry was given up: nobody is told, unless it comes back; then everybody is, from the start.

        What is no transaction of the entry any more is taken out.
        """
        kept = select(journal_transactions.c.txid).where(journal_transactions.c.entry == entry)
        await self._connection.execute(delete(outbox).where(outbox.c.entry == entry, outbox.c.txid.not_in(kept)))
        await self._connection.execute(
            update(outbox).where(outbox.c.entry == entry).values(state=DeliveryState.PENDING, last_error="")
        )

    async def again(self, entries: Iterable[str]) -> None:
        """Hosts are told once more: what they were given rests on proofs that do not hold any more."""
        for batch in batches(entries):
            await self._connection.execute(
                update(outbox).where(outbox.c.entry.in_(batch)).values(state=DeliveryState.PENDING)
            )

    async def drop(self, entry: str, follower: Txid) -> None:
        """Take out what followed an entry, and never will be mined."""
        await self._connection.execute(delete(outbox).where(outbox.c.entry == entry, outbox.c.txid == follower))

    async def release(self, entry: str, follower: Txid) -> None:
        """What followed an entry is one of its own now."""
        owed = update(outbox).where(outbox.c.entry == entry, outbox.c.txid == follower)
        await self._connection.execute(owed.values(entry=follower))

    async def _attempted(self, delivery: int, now: int, state: DeliveryState, error: str) -> None:
        attempt = (
            update(outbox)
            .where(outbox.c.id == delivery, outbox.c.state.in_((DeliveryState.PENDING, state)))
            .values(state=state, attempts=outbox.c.attempts + 1, last_error=error, updated=now)
        )
        if await self._connection.changed(attempt) != 1:
            raise StateError(f"the outbox has no pending delivery {delivery}")


def _buried(height: int) -> ColumnElement[bool]:
    return exists().where(transactions.c.txid == outbox.c.txid, transactions.c.height <= height)


def _row(delivery: Delivery) -> dict[str, object]:
    return {
        "entry": delivery.entry,
        "host": delivery.host,
        "txid": delivery.txid,
        "topics": list(delivery.topics),
        "documents": list(delivery.documents),
        "state": DeliveryState.PENDING,
        "attempts": 0,
        "last_error": "",
    }


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        entry=row.entry,
        host=row.host,
        txid=Txid(row.txid),
        topics=tuple(row.topics),
        documents=tuple(map(Digest, row.documents)),
        id=row.id,
        state=row.state,
        attempts=row.attempts,
        last_error=row.last_error,
        updated=row.updated,
    )
