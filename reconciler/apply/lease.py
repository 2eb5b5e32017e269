"""Holding the apply lease: taken with patience, kept by a heartbeat, given back at the end (DESIGN §4.3)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.model.errors import LockedError, StateError, UnreachableError
from reconciler.store.database import Database
from reconciler.store.leases import APPLY, Holder, Lease, Leases, Owner, is_dead

TTL: Final = 15
"""Seconds after which a lease without a heartbeat is anybody's."""
HEARTBEAT: Final = 5.0
_RETRY: Final = 0.2


def this_process(run: str) -> Owner:
    """This process as a holder; `run` is random."""
    return Owner(id=run, host=socket.gethostname(), pid=os.getpid(), boot=_boot_id())


@asynccontextmanager
async def apply_lease(
    database: Database,
    owner: Owner,
    *,
    now: Callable[[], int],
    patience: float,
    waiting: Callable[[], None] = lambda: None,
) -> AsyncIterator[Lease]:
    """Hold the lease for the block; its token fences every write, so that a block that outlives it writes nothing more.

    Raises LockedError when someone else still holds it after `patience` seconds, naming who; `waiting` is called before each
    try, and may raise to give up.
    """
    lease = await _acquire(database, owner, now, patience, waiting)
    heart = asyncio.create_task(_beat(database, lease, now))
    try:
        yield lease
    finally:
        heart.cancel()
        await asyncio.gather(heart, return_exceptions=True)
        with suppress(UnreachableError):  # nobody waits for long: it runs out, and what has happened counts
            async with database.begin() as connection:
                await Leases(connection).release(lease)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Who holds the apply lease, and whether that process is certain to be gone."""

    holder: Holder
    is_dead: bool


async def held_by(database: Database, here: Owner) -> Held | None:
    """Who holds the apply lease, as seen from the process `here`; None where nobody does."""
    async with database.begin() as connection:
        holder = await Leases(connection).holder(APPLY)
    return None if holder is None else Held(holder=holder, is_dead=is_dead(holder.owner, here, is_alive))


async def release(database: Database, held: Held, here: Owner, *, now: int) -> None:
    """Take the apply lease from its holder and give it back: whatever that one still writes under it is refused.

    Raises LockedError where somebody else holds it by now.
    """
    async with database.begin() as connection:
        leases = Leases(connection)
        await leases.release(await leases.take_over(APPLY, here, now=now, ttl=TTL, holder=held.holder.owner))


async def _acquire(
    database: Database, owner: Owner, now: Callable[[], int], patience: float, waiting: Callable[[], None]
) -> Lease:
    waited = 0.0
    while True:
        waiting()
        async with database.begin() as connection:
            answer = await Leases(connection).acquire(APPLY, owner, now=now(), ttl=TTL, alive=is_alive)
        if isinstance(answer, Lease):
            return answer
        if waited >= patience:
            raise _locked(answer, now())
        await asyncio.sleep(_RETRY)
        waited += _RETRY


async def _beat(database: Database, lease: Lease, now: Callable[[], int]) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT)
        with suppress(StateError, UnreachableError):  # a database that is busy now may not be at the next beat
            async with database.begin() as connection:
                lease = await Leases(connection).renew(lease, now=now(), ttl=TTL)


def _locked(holder: Holder, now: int) -> LockedError:
    return LockedError(
        f"another apply holds the lease: process {holder.owner.pid} on {holder.owner.host}, since {now - holder.since} s ago",
        hint="wait for it, or raise --lock-timeout; where its process hangs, `overlay state unlock`",
    )


def is_alive(pid: int) -> bool:
    """Whether there is such a process on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _boot_id() -> str:
    """The start of this machine and, since containers may have its name and each counts its own processes, whose ids these are."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - it leads to no file
    except OSError:
        return ""
