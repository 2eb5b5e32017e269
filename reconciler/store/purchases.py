"""What storage hosts were paid for: beside each payment in the journal, what it buys, and whether that was had.

Written down with the signed transaction, so that whoever comes after a crash brings the same payment to the same host again
(PROTOCOL §§6, 7).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Row, Select, Table, Text, func, select, update

from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Digest, IdentityKey, Txid
from reconciler.model.journal import COMMITTED, GIVEN_UP, JournalState
from reconciler.model.observed import StorageGood
from reconciler.store.columns import Choice, Instant
from reconciler.store.database import Hex, metadata
from reconciler.store.inserts import insert_new
from reconciler.store.journal import journal
from reconciler.store.works import Connection
from reconciler.wire.storage import StorageAct, StorageWish

purchases = Table(
    "purchases",
    metadata,
    Column("entry", Text, ForeignKey("journal.id", deferrable=True, initially="DEFERRED"), primary_key=True),
    Column("host", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("payee", Hex, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("content", Hex, nullable=False),
    Column("part", Integer, nullable=False),
    Column("act", Choice(StorageAct), nullable=False),
    Column("sha256", Hex, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("satoshis", BigInteger, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("suffix", Text, nullable=False),
    Column("until", Instant, nullable=True, index=True),
)

_WITH_ENTRY: Final = purchases.join(journal, journal.c.id == purchases.c.entry)
_NOT_PAID: Final = (JournalState.PREPARED, *sorted(GIVEN_UP))
"""States of a payment in which nobody has it, or nobody took it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """What one payment buys, and how it was made out (BRC-29)."""

    txid: Txid
    """The payment, which is a journal entry of its own."""
    good: StorageGood
    url: str
    """The host's origin."""
    payee: IdentityKey
    """The host's key, as it authenticated."""
    wish: StorageWish
    satoshis: Satoshis
    prefix: str
    suffix: str
    until: int | None = None
    """Unix seconds until which the host keeps what was bought; None as long as it was not had."""


class Purchases:
    """Payments to storage hosts, oldest first."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, bought: Iterable[Bought]) -> None:
        """Write down what entries buy that are written down with it."""
        await insert_new(self._connection, purchases, [_row(each) for each in bought])

    async def get(self, entry: str) -> Bought | None:
        """What an entry buys; None where it buys nothing."""
        found = await self._find(_oldest_first().where(purchases.c.entry == entry))
        return found[0] if found else None

    async def open(self) -> tuple[Bought, ...]:
        """What is paid, or on its way, and was not had: it is not paid for again."""
        return await self._find(
            _oldest_first().where(purchases.c.until.is_(None), journal.c.state.not_in(sorted(_NOT_PAID)))
        )

    async def paid(self) -> Satoshis:
        """What storage hosts have got altogether, as far as the network has shown it."""
        query = select(func.coalesce(func.sum(purchases.c.satoshis), 0)).select_from(_WITH_ENTRY)
        paid = await self._connection.scalar(query.where(journal.c.state.in_(sorted(COMMITTED))))
        return Satoshis(int(paid or 0))

    async def refused(self) -> tuple[Bought, ...]:
        """What nobody took, though nobody can prove that it went nowhere."""
        return await self._find(
            _oldest_first().where(purchases.c.until.is_(None), journal.c.state == JournalState.REFUSED)
        )

    async def had(self, entry: str, until: int) -> None:
        """The host has given what an entry paid for, and keeps it until then (unix seconds)."""
        await self._connection.execute(update(purchases).where(purchases.c.entry == entry).values(until=until))

    async def _find(self, query: Select[Any]) -> tuple[Bought, ...]:
        return tuple(_bought(row) for row in await self._connection.execute(query))


def _oldest_first() -> Select[Any]:
    return select(purchases).select_from(_WITH_ENTRY).order_by(journal.c.created, journal.c.place, journal.c.id)


def _row(bought: Bought) -> dict[str, object]:
    return {
        "entry": bought.txid,
        "host": bought.good.host,
        "url": bought.url,
        "payee": bought.payee,
        "dataset": bought.good.dataset,
        "content": bought.good.content,
        "part": bought.good.part,
        "act": bought.wish.act,
        "sha256": bought.wish.sha256,
        "size": bought.wish.size,
        "minutes": bought.wish.minutes,
        "satoshis": bought.satoshis,
        "prefix": bought.prefix,
        "suffix": bought.suffix,
        "until": bought.until,
    }


def _bought(row: Row[Any]) -> Bought:
    return Bought(
        txid=Txid(row.entry),
        good=StorageGood(host=row.host, dataset=row.dataset, content=Digest(row.content), part=row.part),
        url=row.url,
        payee=IdentityKey(row.payee),
        wish=StorageWish(act=row.act, sha256=Digest(row.sha256), size=row.size, minutes=row.minutes),
        satoshis=Satoshis(row.satoshis),
        prefix=row.prefix,
        suffix=row.suffix,
        until=row.until,
    )
