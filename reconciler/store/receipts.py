"""Receipts that were given, and how much was had for each (PROTOCOL §7).

Whether a receipt holds is its payment's to say, which is joined to it: one that is lost takes its receipt with it in that very
moment, and one that comes back brings it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    LargeBinary,
    Row,
    ScalarSelect,
    Select,
    Table,
    Text,
    bindparam,
    exists,
    select,
    update,
)

from reconciler.model.errors import RefusedError
from reconciler.model.goods import Good, TierId
from reconciler.model.ids import Digest, IdentityKey, Txid
from reconciler.model.payment import EARNED, PaymentState
from reconciler.store.batches import batches
from reconciler.store.columns import Instant
from reconciler.store.database import Hex, metadata
from reconciler.store.inserts import insert_new
from reconciler.store.payments import Payment, Payments, payments
from reconciler.store.producer import producer_consumers, producer_revenue, published_content
from reconciler.store.works import Connection
from reconciler.wire.receipt import Receipt, ReceiptState

receipts = Table(
    "receipts",
    metadata,
    Column("id", Hex, primary_key=True),
    Column("txid", Hex, ForeignKey("payments.txid"), nullable=False, unique=True),
    Column("buyer", Hex, nullable=False),
    Column("good", Text, nullable=False),
    Column("document", Hex, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("until", Instant, nullable=False),
    Column("downloads", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("used_downloads", BigInteger, nullable=False, server_default="0"),
    Column("used_bytes", BigInteger, nullable=False, server_default="0"),
    Index(None, "buyer", "good", "until"),
)
"""`body` is the receipt as it was handed over, signature included; `until`, `downloads` and `bytes` are its allowance."""

_EARNED: Final = sorted(EARNED)

# Statements that every download runs are made once: to make one costs more than to run it.
_USED_DOWNLOADS: Final = receipts.c.used_downloads + bindparam("more_downloads")
_USED_BYTES: Final = receipts.c.used_bytes + bindparam("more_bytes")
_COUNTING: Final = (
    update(receipts)
    .where(
        receipts.c.id == bindparam("receipt"),
        receipts.c.until > bindparam("now"),
        receipts.c.downloads >= _USED_DOWNLOADS,
        receipts.c.bytes >= _USED_BYTES,
        exists().where(payments.c.txid == receipts.c.txid, payments.c.state.in_(_EARNED)),
    )
    .values(used_downloads=_USED_DOWNLOADS, used_bytes=_USED_BYTES)
    .returning(receipts.c.txid)
)
_PUTTING_BACK: Final = (
    update(receipts)
    .where(receipts.c.id == bindparam("receipt"), receipts.c.used_bytes >= bindparam("fewer_bytes"))
    .values(used_bytes=receipts.c.used_bytes - bindparam("fewer_bytes"))
    .returning(receipts.c.txid)
)


def _of_sale(column: Column[Any]) -> ScalarSelect[Any]:
    """What the books have of the sale that a payment made."""
    return select(column).where(producer_revenue.c.revenue_id == bindparam("payment")).scalar_subquery()


_DOWNLOADED: Final = (
    update(published_content)
    .where(published_content.c.content_id == _of_sale(producer_revenue.c.content_id))
    .values(download_count=published_content.c.download_count + bindparam("more_downloads"))
)
_TRANSFERRED: Final = (
    update(producer_consumers)
    .where(
        producer_consumers.c.producer_id == _of_sale(producer_revenue.c.producer_id),
        producer_consumers.c.consumer_id == _of_sale(producer_revenue.c.consumer_id),
    )
    .values(total_data_transferred_bytes=producer_consumers.c.total_data_transferred_bytes + bindparam("more_bytes"))
)


@dataclass(frozen=True, slots=True)
class Used:
    """What was had for a receipt."""

    downloads: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """A receipt, how its payment stands, and what was had for it."""

    receipt: Receipt
    payment: PaymentState
    used: Used

    @classmethod
    def new(cls, payment: Payment) -> Self | None:
        """The receipt that a payment was given just now; None where that was earlier."""
        return None if payment.receipt is None else cls(payment.receipt, payment.state, Used())

    def state(self, now: int) -> ReceiptState:
        """What it is worth at a time, in unix seconds."""
        allowance = self.receipt.allowance
        if self.payment not in EARNED:
            return ReceiptState.PENDING if self.payment is PaymentState.PENDING else ReceiptState.REVOKED
        if allowance.until <= now:
            return ReceiptState.ENDED
        is_used_up = self.used.downloads >= allowance.downloads or self.used.bytes >= allowance.bytes
        if allowance.downloads and is_used_up:  # a membership has nothing to be downloaded
            return ReceiptState.EXHAUSTED
        return ReceiptState.LIVE

    def check(self, now: int) -> None:
        """Raises RefusedError (code 403) where nothing more is given for it, but for the rest of a download that was counted."""
        state = self.state(now)
        if state not in {ReceiptState.LIVE, ReceiptState.EXHAUSTED}:
            raise RefusedError(f"the receipt {self.receipt.id} is {state}", code="403")


class Receipts:
    """The receipts of the sellers of one database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, receipt: Receipt) -> bool:
        """Keep a receipt, and tell whether it is new; one for the same payment that is here already stays as it is."""
        row = {
            "id": receipt.id,
            "txid": receipt.txid,
            "buyer": receipt.buyer,
            "good": str(receipt.good),
            "document": receipt.document,
            "body": receipt.to_bytes(),
            "until": receipt.allowance.until,
            "downloads": receipt.allowance.downloads,
            "bytes": receipt.allowance.bytes,
        }
        return await insert_new(self._connection, receipts, [row]) == 1

    async def find(self, receipt: Digest) -> StoredReceipt | None:
        """The receipt of this id."""
        return await self._one(_BY_ID, {"of": receipt})

    async def of_payment(self, txid: Txid) -> StoredReceipt | None:
        """The receipt for this payment, if it was ever accepted."""
        return await self._one(_BY_PAYMENT, {"of": txid})

    async def of_payments(self, txids: Iterable[Txid]) -> dict[Txid, StoredReceipt]:
        """The receipts for these payments, of those that have one."""
        found: dict[Txid, StoredReceipt] = {}
        for batch in batches(txids):
            rows = await self._connection.execute(_stored().where(receipts.c.txid.in_(batch)))
            found |= {each.receipt.txid: each for each in map(_receipt, rows)}
        return found

    async def live(
        self, buyer: IdentityKey, good: Good, *, now: int, document: Digest | None = None
    ) -> StoredReceipt | None:
        """What this buyer still holds for a good at `now` (unix seconds): with something left, and not revoked.

        Of several it is one for the version `document`, if there is one, and the one that ends last.
        """
        return await self._one(_LIVE, {"by": buyer, "what": str(good), "now": now, "version": document})

    async def memberships(self, buyer: IdentityKey, *, now: int) -> frozenset[str]:
        """The tiers that this buyer has paid to be a member of, and is at `now` (unix seconds)."""
        columns = receipts.c
        query = (
            select(columns.good)
            .join(payments, payments.c.txid == columns.txid)
            .where(
                columns.buyer == buyer,
                columns.good.startswith(f"{TierId.KIND}/", autoescape=True),
                columns.until > now,
                payments.c.state.in_(_EARNED),
            )
        )
        goods = map(Good.parse, await self._connection.scalars(query))
        return frozenset(good.sold.name for good in goods)

    async def owed_versions(self, before: int) -> frozenset[Digest]:
        """Versions of content that were paid for up to some time (unix seconds), where nothing was served for a payment yet."""
        query = select(receipts.c.document).join(payments, payments.c.txid == receipts.c.txid).distinct()
        return frozenset(map(Digest, await self._connection.scalars(query.where(*_undelivered(before)))))

    async def undelivered(self, document: Digest, before: int, *, limit: int) -> tuple[Payment, ...]:
        """Those payments for one version, oldest first."""
        of_version = select(receipts.c.txid).where(receipts.c.txid == payments.c.txid, receipts.c.document == document)
        return await Payments(self._connection).where(exists(of_version.where(*_undelivered(before))), limit=limit)

    async def _one(self, query: Select[tuple[Any, ...]], given: Mapping[str, object]) -> StoredReceipt | None:
        row = (await self._connection.execute(query, given)).one_or_none()
        return None if row is None else _receipt(row)


@dataclass(frozen=True, slots=True)
class Use:
    """A work: count what is about to be had for a receipt, unless that is more than is left, or the receipt does not hold.

    `downloads` is 1 for a new one and 0 for more bytes of one that was counted; `now` is in unix seconds.
    """

    receipt: Digest
    downloads: int
    bytes: int
    now: int

    async def __call__(self, connection: Connection) -> None:
        """See the class. Raises RefusedError: code 404 where there is no such receipt, 403 where it does not allow this."""
        asked = {"receipt": self.receipt, "more_downloads": self.downloads, "more_bytes": self.bytes, "now": self.now}
        payment = await connection.scalar(_COUNTING, asked)
        if payment is None:
            stored = await Receipts(connection).find(self.receipt)
            if stored is None:
                raise RefusedError(f"there is no receipt {self.receipt} here", code="404")
            stored.check(self.now)
            raise RefusedError(f"the receipt {self.receipt} does not allow as much any more", code="403")
        await _count(connection, payment, downloads=self.downloads, size=self.bytes)


@dataclass(frozen=True, slots=True)
class PutBack:
    """A work: so many bytes that were counted for a receipt were not had after all."""

    receipt: Digest
    bytes: int

    async def __call__(self, connection: Connection) -> None:
        """See the class; no more comes back than was counted."""
        payment = await connection.scalar(_PUTTING_BACK, {"receipt": self.receipt, "fewer_bytes": self.bytes})
        if payment is not None:
            await _count(connection, payment, downloads=0, size=-self.bytes)


async def _count(connection: Connection, payment: Txid, *, downloads: int, size: int) -> None:
    """What the producer's tables say of it."""
    if downloads:
        await connection.execute(_DOWNLOADED, {"payment": payment, "more_downloads": downloads})
    if size:
        await connection.execute(_TRANSFERRED, {"payment": payment, "more_bytes": size})


def _undelivered(before: int) -> tuple[ColumnElement[bool], ...]:
    """A membership is served by its receipt; and who has had bytes was served, whether or not that could be noted."""
    return (
        payments.c.state == PaymentState.ACCEPTED,
        payments.c.booked <= before,
        receipts.c.used_bytes == 0,
        ~receipts.c.good.startswith(f"{TierId.KIND}/", autoescape=True),
    )


def _stored() -> Select[tuple[Any, ...]]:
    columns = receipts.c
    return select(columns.body, columns.used_downloads, columns.used_bytes, payments.c.state).join(
        payments, payments.c.txid == columns.txid
    )


_BY_ID: Final = _stored().where(receipts.c.id == bindparam("of"))
_BY_PAYMENT: Final = _stored().where(receipts.c.txid == bindparam("of"))
_LIVE: Final = (
    _stored()
    .where(
        receipts.c.buyer == bindparam("by"),
        receipts.c.good == bindparam("what"),
        receipts.c.until > bindparam("now"),
        receipts.c.used_downloads < receipts.c.downloads,
        receipts.c.used_bytes < receipts.c.bytes,
        payments.c.state.in_(_EARNED),
    )
    .order_by((receipts.c.document == bindparam("version")).desc(), receipts.c.until.desc(), receipts.c.id)
    .limit(1)
)


def _receipt(row: Row[Any]) -> StoredReceipt:
    return StoredReceipt(Receipt.from_bytes(row.body), row.state, Used(row.used_downloads, row.used_bytes))
