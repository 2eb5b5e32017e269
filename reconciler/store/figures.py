"""What the database holds, counted for whoever watches a server: one look, in one moment.

Tables that grow with sales are counted whole: a million payments take part of a second, in a thread that only reads. So what
took long is remembered for a hundred times as long: however often somebody asks, counting takes a hundredth of that thread. But
for five minutes at most, since somebody is to be woken by it; and all else, such as who leads, is counted each time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, Select, exists, func, select

from reconciler.model.journal import UNFINISHED
from reconciler.model.payment import EARNED, PaymentMethod, PaymentState
from reconciler.store.database import Database
from reconciler.store.journal import journal
from reconciler.store.leases import SERVE, leases
from reconciler.store.live import published_root
from reconciler.store.outbox import DeliveryState, outbox
from reconciler.store.payments import payments
from reconciler.store.payouts import payout_inputs
from reconciler.store.peers import host_forwards
from reconciler.store.receipts import receipts
from reconciler.store.works import Connection

_QUICK: Final = 0.25
"""Seconds that counting may take each time."""
_SHARE: Final = 100
"""How many times as long what took longer is remembered."""
_LONGEST: Final = 300.0
"""Seconds for which it is, at most: less than an alert waits for."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Some payments: how many, and what they paid."""

    count: int
    satoshis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sold:
    """What grows with sales."""

    payments: Mapping[tuple[PaymentMethod, PaymentState], Amount]
    unsettled: Amount
    """What payments gave to the gateway's own keys, and is not on its way to the producer or back."""
    receipts: int
    downloads: int
    downloaded: int
    """Bytes had for receipts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """See the module."""

    sold: Sold
    generation: int
    """0 where nothing was published."""
    outbox: int
    """Deliveries that hosts are owed."""
    forwards: int
    """Submissions that other hosts are to be told."""
    unfinished: int
    """Entries of the journal that the next apply finishes first."""
    leaders: int
    """1 where a server does the background work, else 0."""


class Counting:
    """Figures for whoever asks. `clock` gives unix seconds; `timer` seconds that nobody sets back."""

    def __init__(
        self, database: Database, *, clock: Callable[[], float], timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._clock = clock
        self._timer = timer
        self._turn = asyncio.Lock()
        self._known: tuple[float, Sold] | None = None

    async def figures(self) -> Figures:
        """As they are now; what was sold, as it was a moment ago. Raises as `Database.read` does."""
        async with self._turn:
            return await self._database.read(self._counted)

    async def _counted(self, connection: Connection) -> Figures:
        began = self._timer()
        if self._known is None or began >= self._known[0]:
            sold = await _sold(connection)
            took = self._timer() - began
            self._known = began + took + (min(took * _SHARE, _LONGEST) if took > _QUICK else 0.0), sold
        return await _standing(connection, self._known[1], int(self._clock()))


async def _standing(connection: Connection, sold: Sold, now: int) -> Figures:
    leads = leases.c.name == SERVE, leases.c.owner.is_not(None), leases.c.until > now
    return Figures(
        sold=sold,
        generation=await connection.scalar(select(func.max(published_root.c.generation))) or 0,
        outbox=await connection.scalar(_rows(outbox.c.id).where(outbox.c.state == DeliveryState.PENDING)),
        forwards=await connection.scalar(_rows(host_forwards.c.id)),
        unfinished=await connection.scalar(_rows(journal.c.id).where(journal.c.state.in_(sorted(UNFINISHED)))),
        leaders=await connection.scalar(_rows(leases.c.name).where(*leads)),
    )


async def _sold(connection: Connection) -> Sold:
    columns = payments.c
    by_state = select(columns.method, columns.state, *_AMOUNT).group_by(columns.method, columns.state)
    spent = exists().where(payout_inputs.c.txid == columns.txid, payout_inputs.c.vout == columns.vout)
    ours = columns.state.in_(sorted(EARNED)), columns.vout.is_not(None), ~spent
    unsettled = (await connection.execute(select(*_AMOUNT).where(*ours))).one()
    used = receipts.c.used_downloads, receipts.c.used_bytes
    had = (await connection.execute(select(func.count(), *map(func.sum, used)).select_from(receipts))).one()
    return Sold(
        payments={
            (row.method, row.state): Amount(row.number, int(row.satoshis)) for row in await connection.execute(by_state)
        },
        unsettled=Amount(unsettled.number, int(unsettled.satoshis or 0)),
        receipts=had[0],
        downloads=int(had[1] or 0),
        downloaded=int(had[2] or 0),
    )


_AMOUNT: Final = func.count().label("number"), func.sum(payments.c.satoshis).label("satoshis")


def _rows(column: Column[Any]) -> Select[tuple[int]]:
    return select(func.count(column))
