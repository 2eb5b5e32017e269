"""The gateway's backup: what it was paid, sealed under its own key, on storage hosts (PROTOCOL §5).

Of a gateway whose database is lost, coins that were not settled, receipts and refunds that are owed come back from there: the
payments are booked once more, and the network says what became of each.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from reconciler.clients.storage import StorageClient
from reconciler.model.errors import OverlayError, RefusedError, TransientError, VerificationError
from reconciler.model.ids import Digest
from reconciler.model.keys import BUNDLE_KEY
from reconciler.observe.beyond import SpendIndex
from reconciler.payments.books import Book
from reconciler.payments.bundle import packed, unpacked
from reconciler.store.bundles import Bundles
from reconciler.store.database import Database
from reconciler.store.payments import Payment, Payments
from reconciler.wallet.keys import Keys
from reconciler.wire.canonical import sha256_hex

SALES: Final = 50
"""After so many payments there is a bundle."""
SECONDS: Final = 600
"""Or after so long, if there is one at all."""
KEPT_MINUTES: Final = 90 * 24 * 60
"""For which hosts are asked to keep a bundle; what is in it is settled within a day, unless the rules say otherwise."""

_MOST: Final = 4 << 20
"""Bytes of ancestry in one bundle, about."""
_LARGEST: Final = 64 << 20
"""What is looked at of that which hosts list."""


@dataclass(frozen=True, slots=True)
class Restored:
    """How many payments came back, how many had been settled or given back before, and what could not be had."""

    payments: int
    spent: int
    doubts: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Bundler:
    """The backup of one gateway, whose `keys` these are. `clock` gives unix seconds."""

    database: Database
    keys: Keys
    hosts: Callable[[], Awaitable[Mapping[str, StorageClient]]]
    """Storage hosts by name, which know us as the gateway."""
    index: SpendIndex
    clock: Callable[[], float]
    randomness: Callable[[int], bytes]
    tell: Callable[[str], None]
    _told: str = field(default="", init=False)

    async def round(self) -> Digest | None:
        """Make a bundle, if enough was sold, or enough time has passed; its hash, once a host keeps it.

        Raises UnreachableError or RefusedError where none does: the same payments are in the next one.
        """
        waiting = await self.database.read(lambda connection: Bundles(connection).waiting(SALES))
        now = int(self.clock())
        if not waiting or (len(waiting) < SALES and now - waiting[0].booked < SECONDS):
            return None
        bundled = _bounded(waiting)
        sealed = self.keys.encrypt(BUNDLE_KEY, packed(bundled), iv=self.randomness(32))
        name = sha256_hex(sealed)
        await self._keep(name, sealed)
        txids = [payment.txid for payment in bundled]
        await self.database.write(lambda connection: Bundles(connection).note(name, txids, now))
        return name

    async def rounds(self, every: float = 30.0) -> None:
        """Rounds for ever; for the background of the process that leads. What goes wrong is told, once for each reason.

        A database that knows of no payment may have been lost: then what storage hosts keep is booked first.
        """
        restores = await self.database.read(lambda connection: Bundles(connection).are_needed())
        while True:
            trouble = ""
            try:
                if restores and await self.hosts():  # before the root is here, nobody knows where to look
                    self._tell_restored(await self.restore())
                    restores = False
                await self.round()
            except (TransientError, RefusedError) as error:
                trouble = error.message
            if trouble not in {"", self._told}:
                self.tell(f"What was paid is not backed up on storage hosts: {trouble}.")
            self._told = trouble
            await asyncio.sleep(min(every, 2.0) if restores else every)

    def _tell_restored(self, restored: Restored) -> None:
        if restored.payments:
            self.tell(
                f"{restored.payments} payments came back from storage hosts; the network says what became of them."
            )
        if restored.spent:
            self.tell(
                f"{restored.spent} payments were settled or given back before, and are not in the books any more."
            )
        for doubt in restored.doubts:
            self.tell(f"Warning: {doubt}.")

    async def restore(self) -> Restored:
        """Book again what bundles hold and this database does not know, unless its coin was spent since."""
        count = spent = 0
        doubts: list[str] = []
        seen: set[Digest] = set()
        for name, host in (await self.hosts()).items():
            try:
                for sha256 in sorted((await host.listing()).keys() - seen):
                    seen.add(sha256)
                    for payment in await self._read(host, sha256):
                        was_spent = await self._is_spent(payment)
                        spent += was_spent
                        count += not was_spent and await self._book(payment)
            except OverlayError as error:
                doubts.append(f"what storage host {name} keeps of this gateway could not be read: {error.message}")
        return Restored(count, spent, tuple(doubts))

    async def _keep(self, name: Digest, sealed: bytes) -> None:
        kept, failures = 0, []
        for host in (await self.hosts()).values():
            try:
                await host.upload(_once(sealed), size=len(sealed), sha256=name, minutes=KEPT_MINUTES)
                kept += 1
            except (TransientError, RefusedError) as error:
                failures.append(error)
        if not kept and failures:
            raise failures[0]
        if not kept:
            raise RefusedError("there is no storage host")

    async def _read(self, host: StorageClient, sha256: Digest) -> tuple[Payment, ...]:
        """The payments in a bundle; none where these bytes are something else."""
        found = await host.find(sha256)
        if found is None or found.size > _LARGEST:
            return ()
        sealed = b"".join([chunk async for chunk in host.download(sha256, size=found.size)])
        try:
            return unpacked(self.keys.decrypt(BUNDLE_KEY, sealed), now=int(self.clock()))
        except VerificationError:
            return ()

    async def _is_spent(self, payment: Payment) -> bool:
        return payment.coin is not None and await self.index.spender(payment.coin.outpoint) is not None

    async def _book(self, payment: Payment) -> bool:
        """Whether it was not here."""
        if await self.database.read(lambda connection: Payments(connection).find(payment.txid)) is not None:
            return False
        try:
            await self.database.write(Book(payment))
        except RefusedError:  # its coin has paid for something else here
            return False
        return True


def _bounded(waiting: tuple[Payment, ...]) -> tuple[Payment, ...]:
    """The first of them whose ancestry is not too much; one at least."""
    size = 0
    for number, payment in enumerate(waiting):
        size += len(payment.beef.to_atomic(payment.txid))
        if size > _MOST and number:
            return waiting[:number]
    return waiting


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
