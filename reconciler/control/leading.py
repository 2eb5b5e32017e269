"""Of all servers on one database one leads: it does in the background what needs to be done once.

The lease is that of store/leases.py. Nothing that is done under it must be done by one alone (each step is claimed, or is the
same when it is done twice): a leader that was stopped for a while and does not know yet that it has been replaced does no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from reconciler.apply.lease import HEARTBEAT, TTL, is_alive
from reconciler.model.errors import LockedError, OverlayError, StateError, UnreachableError
from reconciler.store.database import Database
from reconciler.store.leases import SERVE, Lease, Leases, Owner
from reconciler.web.background import Work

_RETRY: Final = 1.0
"""Seconds between two tries to become the leader: a leader of this machine that has died is replaced that soon."""


class Leader:
    """This process's part in it. `owner` is this process; `clock` gives unix seconds."""

    def __init__(
        self,
        database: Database,
        owner: Owner,
        *,
        clock: Callable[[], float],
        heartbeat: float = HEARTBEAT,
        retry: float = _RETRY,
    ) -> None:
        self._database = database
        self._owner = owner
        self._clock = clock
        self._heartbeat = heartbeat
        self._retry = retry
        self._lease: Lease | None = None
        self._leads, self._follows = asyncio.Event(), asyncio.Event()
        self._follows.set()

    @property
    def leads(self) -> bool:
        """Whether this process is the leader, as far as it knows."""
        return self._leads.is_set()

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[None]:
        """Be there to lead during the block; afterwards another one may at once."""
        candidacy = asyncio.create_task(self._stand())
        try:
            yield
        finally:
            candidacy.cancel()
            await asyncio.gather(candidacy, return_exceptions=True)
            self._step_down()
            if self._lease is not None:
                with suppress(UnreachableError, StateError):  # it runs out by itself
                    lease = self._lease
                    await self._database.write(lambda connection: Leases(connection).release(lease))

    async def in_turn(self, work: Work) -> None:
        """Do a work whenever this process leads, until cancelled. Raises what the work raises."""
        while True:
            await self._leads.wait()
            working, over = asyncio.create_task(work()), asyncio.create_task(self._follows.wait())
            try:
                await asyncio.wait({working, over}, return_when=asyncio.FIRST_COMPLETED)
                if working.done():
                    await working
                    return
            finally:
                working.cancel()
                over.cancel()
                await asyncio.gather(working, over, return_exceptions=True)

    async def _stand(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(self._heartbeat if self.leads else self._retry)

    async def _look(self) -> None:
        """Take or keep the lease, and know whether it is ours."""
        try:
            self._lease = await (self._take() if self._lease is None else self._renew(self._lease))
        except LockedError:  # another one's by now
            self._lease = None
        except OverlayError:  # a database that does not answer now may at the next look
            if self._lease is not None and self._clock() >= self._lease.until:
                self._lease = None
        if self._lease is None:
            self._step_down()
        else:
            self._follows.clear()
            self._leads.set()

    def _step_down(self) -> None:
        self._leads.clear()
        self._follows.set()

    async def _take(self) -> Lease | None:
        now = int(self._clock())
        answer = await self._database.write(
            lambda connection: Leases(connection).acquire(SERVE, self._owner, now=now, ttl=TTL, alive=is_alive)
        )
        return answer if isinstance(answer, Lease) else None

    async def _renew(self, lease: Lease) -> Lease:
        now = int(self._clock())
        return await self._database.write(lambda connection: Leases(connection).renew(lease, now=now, ttl=TTL))
