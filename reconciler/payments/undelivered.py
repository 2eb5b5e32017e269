"""Accepted payments for what can be served no more, such as a deleted good whose content nobody keeps: they are given back.

A good that cannot be had now may be had again in an hour. So nothing is given back before it could not be had for a day, each
time that somebody looked, and nothing that was served before, be it in part.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final, Protocol

from reconciler.model.errors import RefusedError, StateError, TransientError
from reconciler.model.ids import Digest
from reconciler.payments.till import Till
from reconciler.store.database import Database
from reconciler.store.payments import Payment
from reconciler.store.receipts import Receipts
from reconciler.store.works import Connection

PATIENCE: Final = 24 * 3600
"""Seconds for which a good has to be out of reach."""

_AT_ONCE: Final = 1000
"""Payments for one version that are given back in one round, oldest first."""

_REASON: Final = "what was paid for cannot be served any more"


class Stock(Protocol):
    """Whoever delivers (gateway)."""

    async def has(self, document: Digest) -> bool:
        """Whether the content of this version can be had now."""
        ...


class Undelivered:
    """Looks after what is owed. `clock` gives unix seconds."""

    def __init__(
        self,
        *,
        database: Database,
        till: Till,
        stock: Stock,
        clock: Callable[[], float],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._till = till
        self._stock = stock
        self._clock = clock
        self._pause = pause
        self._missing: dict[Digest, int] = {}
        """Since when a version could not be had; a process that starts anew begins to wait anew."""

    async def round(self) -> tuple[Payment, ...]:
        """Look once; returns what was given back."""
        now = int(self._clock())
        before = now - PATIENCE
        returned: list[Payment] = []
        for document in await self._database.read(lambda connection: Receipts(connection).owed_versions(before)):
            if await self._stock.has(document):
                self._missing.pop(document, None)
            elif now - self._missing.setdefault(document, now) >= PATIENCE:
                owed = await self._database.read(partial(_owed, document, before))
                returned += [await self._till.give_back(payment.txid, _REASON) for payment in owed]
        return tuple(returned)

    async def rounds(self, every: float = 3600.0) -> None:
        """Rounds for ever; for the background of the process that leads."""
        while True:
            with suppress(TransientError, RefusedError, StateError):  # served, or lost, meanwhile; the next round comes
                await self.round()
            await self._pause(every)


async def _owed(document: Digest, before: int, connection: Connection) -> tuple[Payment, ...]:
    return await Receipts(connection).undelivered(document, before, limit=_AT_ONCE)
