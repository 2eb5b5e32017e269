"""Allowances of receipts within the quota of whoever holds them. Satisfies gateway.ports.Allowances."""

from __future__ import annotations

from reconciler.gateway.ports import Allowances, Bought
from reconciler.gateway.recent import Recent
from reconciler.gateway.shop import Shop
from reconciler.gateway.standing import Standing
from reconciler.model.errors import RefusedError
from reconciler.model.ids import Digest


class MeteredAllowances:
    """What is delivered counts against the quota of bytes; who is suspended or blocked is given nothing, whatever was bought."""

    def __init__(self, allowances: Allowances, shop: Shop) -> None:
        self._allowances = allowances
        self._shop = shop
        self._bought = Recent[Digest, Bought]()

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
        standing.check_served()
        standing.check_quota(self._shop.clock())
        await self._allowances.take(receipt, downloads=downloads, size=size)
        self._shop.standings.delivered(standing, size)

    async def put_back(self, receipt: Digest, size: int) -> None:
        """See gateway.ports.Allowances."""
        await self._allowances.put_back(receipt, size)
        self._shop.standings.delivered(await self._standing(receipt), -size)

    async def _standing(self, receipt: Digest) -> Standing:
        bought = await self.bought(receipt)
        if bought is None:
            raise RefusedError("there is no such receipt", code="403")
        return await self._shop.standings.of(bought.buyer, await self._shop.offers())
