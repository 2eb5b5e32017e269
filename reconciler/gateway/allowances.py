"""What receipts still allow, as the database counts it for all processes. Satisfies gateway.ports.Allowances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.gateway.ports import Bought
from reconciler.model.errors import RefusedError
from reconciler.model.goods import TierId
from reconciler.model.ids import Digest
from reconciler.store.database import Database
from reconciler.store.receipts import PutBack, Receipts, StoredReceipt, Use


@dataclass(frozen=True, slots=True)
class ReceiptAllowances:
    """The allowances of the receipts in a database. `clock` gives unix seconds."""

    database: Database
    clock: Callable[[], float]

    async def bought(self, receipt: Digest) -> Bought | None:
        """See gateway.ports.Allowances."""
        stored = await self._find(receipt)
        if stored is None or isinstance(stored.receipt.good.sold, TierId):  # a membership is nothing to be downloaded
            return None
        return Bought(stored.receipt.good.sold, stored.receipt.document, stored.receipt.buyer)

    async def check(self, receipt: Digest) -> None:
        """See gateway.ports.Allowances."""
        stored = await self._find(receipt)
        if stored is None:
            raise RefusedError("there is no such receipt", code="403")
        stored.check(int(self.clock()))

    async def take(self, receipt: Digest, *, downloads: int, size: int) -> None:
        """See gateway.ports.Allowances."""
        await self.database.jot(Use(receipt, downloads, size, int(self.clock())))

    async def put_back(self, receipt: Digest, size: int) -> None:
        """See gateway.ports.Allowances."""
        await self.database.jot(PutBack(receipt, size))

    async def _find(self, receipt: Digest) -> StoredReceipt | None:
        return await self.database.glance(lambda connection: Receipts(connection).find(receipt))
