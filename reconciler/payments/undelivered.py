"""Accepted payments for what can be served no more, such as a deleted good whose content nobody keeps: they are given back.

A good that cannot be had now may be had again in an hour. So nothing is given back before it could not be had for a day, each
time that somebody looked, and nothing that was served before, be it in part.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol

from reconciler.model.errors import RefusedError, StateError, TransientError
from reconciler.model.goods import TierId
from reconciler.model.ids import Digest
from reconciler.payments.till import Till
from reconciler.store.database import Database
from reconciler.store.payments import Payment, Payments

PATIENCE: Final = 24 * 3600
"""Seconds for which a good has to be out of reach."""

_AT_ONCE: Final = 1000
"""Payments that are looked at in one round, oldest first."""

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
        owed = await self._database.read(lambda connection: Payments(connection).undelivered(before, limit=_AT_ONCE))
        goods = {terms.document: terms.good for payment in owed if (terms := payment.terms) is not None}
        lost = set()
        for document, good in goods.items():
            if isinstance(good.sold, TierId) or await self._stock.has(document):
                self._missing.pop(document, None)
            elif now - self._missing.setdefault(document, now) >= PATIENCE:
                lost.add(document)
        return tuple(
            [
                await self._till.give_back(payment.txid, _REASON)
                for payment in owed
                if payment.terms is not None and payment.terms.document in lost
            ]
        )

    async def rounds(self, every: float = 3600.0) -> None:
        """Rounds for ever; for the background of the process that leads."""
        while True:
            with suppress(TransientError, RefusedError, StateError):  # served, or lost, meanwhile; the next round comes
                await self.round()
            await self._pause(every)
