"""Allowances of receipts within the quota of whoever holds them. Satisfies gateway.ports.Allowances."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from reconciler.gateway.audit import Audit, Event, Outcome, What, to_nobody
from reconciler.gateway.ports import Allowances, Bought
from reconciler.gateway.recent import Recent
from reconciler.gateway.shop import Shop
from reconciler.gateway.standing import Standing
from reconciler.model.errors import RefusedError
from reconciler.model.ids import Digest, IdentityKey
from reconciler.store.usage import Used

_FRESH: Final = 1.0
"""Seconds."""


class MeteredAllowances:
    """What is delivered counts against the quota of bytes; who is suspended or blocked is given nothing, whatever was bought.

    How somebody stands is remembered for a moment: a download is often fetched in many ranges.
    """

    def __init__(self, allowances: Allowances, shop: Shop, audit: Audit = to_nobody) -> None:
        self._allowances = allowances
        self._shop = shop
        self._audit = audit
        self._bought = Recent[Digest, Bought]()
        self._known = Recent[IdentityKey, tuple[float, Standing]]()

    async def bought(self, receipt: Digest) -> Bought | None:
        """See gateway.ports.Allowances."""
        bought = self._bought.get(receipt)
        if bought is None:
            bought = await self._allowances.bought(receipt)
            if bought is not None:
                self._bought.put(receipt, bought)
        return bought

    async def check(self, receipt: Digest) -> None:
        """See gateway.ports.Allowances."""
        await self._allowances.check(receipt)

    async def take(self, receipt: Digest, *, downloads: int, size: int) -> None:
        """See gateway.ports.Allowances. Raises ProblemError (403, 429) as `Standing` does."""
        standing = await self._standing(receipt)
        try:
            standing.check_served()
            standing.check_quota(self._shop.clock())
            await self._allowances.take(receipt, downloads=downloads, size=size)
        except RefusedError as error:
            self._note(receipt, Outcome.REFUSED, standing, error.code)
            raise
        self._delivered(standing, size)
        if downloads:  # ranges of one that was begun are not worth a line each
            self._note(receipt, Outcome.SERVED, standing)

    async def put_back(self, receipt: Digest, size: int) -> None:
        """See gateway.ports.Allowances."""
        await self._allowances.put_back(receipt, size)
        self._delivered(await self._standing(receipt), -size)

    async def _standing(self, receipt: Digest) -> Standing:
        bought = await self.bought(receipt)
        if bought is None:
            raise RefusedError("there is no such receipt", code="403")
        now = self._shop.clock()
        until, known = self._known.get(bought.buyer) or (0.0, None)
        if known is not None and now < until:
            return known
        standing = await self._shop.standings.of(bought.buyer, await self._shop.offers())
        ends = now + _FRESH if standing.window is None else min(now + _FRESH, standing.window.resets)
        self._known.put(bought.buyer, (ends, standing))
        return standing

    def _note(self, receipt: Digest, outcome: Outcome, standing: Standing, code: str | None = None) -> None:
        bought = self._bought.get(receipt)
        good = None if bought is None else str(bought.record)
        who = standing.consumer
        self._audit(Event(what=What.CONTENT, outcome=outcome, who=who, good=good, receipt=receipt, code=code))

    def _delivered(self, standing: Standing, size: int) -> None:
        """Count it, also in what is remembered."""
        self._shop.standings.delivered(standing, size)
        until, known = self._known.get(standing.consumer) or (0.0, standing)
        self._known.put(standing.consumer, (until, replace(known, used=known.used + Used(bytes=size))))
