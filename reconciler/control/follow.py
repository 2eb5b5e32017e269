"""Following one's own root: what another machine applied shows here, without being told (PROTOCOL §3, the gateway)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.apply.lease import apply_lease, this_process
from reconciler.control.binding import bind, check_identity, claim
from reconciler.control.rebuild import refill
from reconciler.control.restore import take_in
from reconciler.control.world import World
from reconciler.model.errors import LockedError, OverlayError, StalePlanError
from reconciler.model.ids import IdentityKey
from reconciler.observe.roots import RootReadings, read_roots
from reconciler.observe.snapshot import catalog_of
from reconciler.store.database import Database
from reconciler.store.journal import Journal
from reconciler.store.published import Published
from reconciler.wallet.keys import Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """Keeps a database at the newest final generation of one producer, as hosts that are not ours show it."""

    world: World
    database: Database
    identity: IdentityKey
    """The producer's."""
    keys: Keys
    """What opens the sealed document: the producer's, or its gateway's."""
    clock: Callable[[], float]
    randomness: Callable[[int], bytes]

    async def claim(self) -> None:
        """Raises GuardError or StateError where the database is another producer's, or not to be filled with this key."""
        await check_identity(self.database, self.identity)
        await claim(self.database, producer=self.identity, reader=self.keys.identity)

    async def catch_up(self) -> int | None:
        """Take in a generation that is newer than the recorded one; its number, or None where there was nothing to do.

        Nothing is done while an apply works on this database, or has left something to be finished: it knows more than hosts
        do. Raises what reading, checking and opening raise; nothing is written then.
        """
        readings = await self._read()
        if not await self._is_news(readings):
            return None
        owner = this_process(self.randomness(8).hex())
        try:
            async with apply_lease(self.database, owner, now=self._now, patience=0):
                return await self._take_in(readings) if await self._is_news(readings) else None
        except LockedError:  # an apply is at work here, and writes down what it publishes
            return None

    async def follow(self, *, every: float, tell: Callable[[str], None]) -> None:
        """Catch up every so many seconds, for ever. What goes wrong is told, once for each reason, and tried again."""
        told = ""
        while True:
            generation, trouble = None, ""
            try:
                generation = await self.catch_up()
            except StalePlanError:  # another generation came while this one was read: next time
                pass
            except OverlayError as error:
                trouble = error.message
            if generation is not None:
                tell(f"Generation {generation} is live.")
            if trouble not in {"", told}:
                tell(f"What is live cannot be taken in: {trouble}.")
            told = trouble
            await asyncio.sleep(every)

    async def _read(self) -> RootReadings:
        async with self.database.begin() as connection:
            void = await Journal(connection).void()
        return await read_roots(
            self.identity, hosts=self.world.outside, verifier=self.world.headers, now=self._now(), void=void
        )

    async def _is_news(self, readings: RootReadings) -> bool:
        """Whether the newest root is final, not recorded, and no older than what is."""
        async with self.database.begin() as connection:
            known = await Published(connection).root()
            unfinished = await Journal(connection).unfinished()
        newest = readings.newest
        if newest is None or newest.document.pending is not None or unfinished:
            return False
        if known is None:
            return True
        return newest.outpoint != known.record.outpoint and newest.document.generation >= known.generation

    async def _take_in(self, readings: RootReadings) -> int:
        world, now = self.world, self._now()
        await bind(
            self.database, network=world.network, network_id=await world.headers.network_id(), identity=self.identity
        )
        catalog = await catalog_of(readings, hosts=world.outside, keys=self.keys, verifier=world.headers, now=now)
        await refill(catalog, world.own)  # first: what is recorded would not be looked at again
        await take_in(catalog, world=world, database=self.database, keys=self.keys, iv=self.randomness(32), now=now)
        return catalog.root.generation

    def _now(self) -> int:
        return int(self.clock())
