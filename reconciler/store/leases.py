"""Leases: who may write, fenced by a token that only grows (DESIGN §4.3).

A lease that ran out stays its holder's until someone takes it. Whoever takes it gets a higher token, and from then on every
write that carries the old one is refused, however late the old holder wakes up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Integer, Row, Table, Text, Update, select, update

from reconciler.model.errors import LockedError
from reconciler.store.columns import Instant
from reconciler.store.database import metadata
from reconciler.store.inserts import insert_new
from reconciler.store.works import Connection

APPLY: Final = "apply"
"""The lease under which journal and coins are written."""

SERVE: Final = "serve"
"""The lease of the one server that does the background work of all."""

_LONGEST: Final = 20
"""Times its term: further than that, clocks of machines that share a database are not apart."""

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("token", BigInteger, nullable=False),
    Column("owner", Text),
    Column("host", Text),
    Column("pid", Integer),
    Column("boot", Text),
    Column("since", Instant),
    Column("until", Instant),
)


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that wants or holds a lease. `id` is its own for this run; `boot` is the boot id of machine `host`."""

    id: str
    host: str
    pid: int
    boot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lease. Past `until` (unix seconds) anyone may take it."""

    owner: Owner
    since: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease that was granted; `token` goes with every write under it."""

    name: str
    token: int
    owner: Owner
    since: int
    until: int


def _assume_alive(_: int) -> bool:
    return True


class Leases:
    """Leases by name. Times are unix seconds, `ttl` seconds."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def acquire(
        self, name: str, owner: Owner, *, now: int, ttl: int, alive: Callable[[int], bool] = _assume_alive
    ) -> Lease | Holder:
        """Take the lease if it is free, has run out, or its holder is dead; else say who holds it.

        `alive` says of a process id of this machine whether it lives; it is asked only about a holder with the host name and
        boot id of `owner`.
        """
        row = await self._row(name)
        holder = _holder(row)
        # One that would hold much longer than any is given was taken before the clock was set back.
        is_over = holder is not None and not now < holder.until <= now + _LONGEST * ttl
        if holder is None or is_over or is_dead(holder.owner, owner, alive):
            return await self._grant(name, row.token + 1, owner, now, ttl)
        return holder

    async def take_over(self, name: str, owner: Owner, *, now: int, ttl: int, holder: Owner | None = None) -> Lease:
        """Take the lease from whoever holds it: `state unlock`, on the user's word.

        With `holder`, only from that one: raises LockedError where it is another's by now, or nobody's.
        """
        row = await self._row(name)
        if holder is not None and row.owner != holder.id:
            raise LockedError(
                f"the lease {name!r} is another one's by now, or nobody's", hint="look again at who holds it"
            )
        return await self._grant(name, row.token + 1, owner, now, ttl)

    async def renew(self, lease: Lease, *, now: int, ttl: int) -> Lease:
        """The heartbeat. Raises LockedError if the lease was taken or given back meanwhile."""
        if await self._connection.changed(_held_by(lease).values(until=now + ttl)) != 1:
            raise await self._lost(lease.name)
        return Lease(name=lease.name, token=lease.token, owner=lease.owner, since=lease.since, until=now + ttl)

    async def release(self, lease: Lease) -> None:
        """Give the lease back; nothing happens if it is not held any more."""
        await self._connection.execute(
            _held_by(lease).values(owner=None, host=None, pid=None, boot=None, since=None, until=None)
        )

    async def holder(self, name: str) -> Holder | None:
        """Who holds the lease, run out or not."""
        row = (await self._connection.execute(select(leases).where(leases.c.name == name))).one_or_none()
        return None if row is None else _holder(row)

    async def check(self, name: str, token: int) -> None:
        """Raises LockedError unless `token` is that of the present holder, who stays it until this transaction ends."""
        row = (await self._connection.execute(select(leases).where(leases.c.name == name))).one_or_none()
        if row is None or row.owner is None or row.token != token:
            raise await self._lost(name)

    async def _row(self, name: str) -> Row[Any]:
        await insert_new(self._connection, leases, [{"name": name, "token": 0}])
        return (await self._connection.execute(select(leases).where(leases.c.name == name))).one()

    async def _grant(self, name: str, token: int, owner: Owner, now: int, ttl: int) -> Lease:
        await self._connection.execute(
            update(leases)
            .where(leases.c.name == name)
            .values(
                token=token, owner=owner.id, host=owner.host, pid=owner.pid, boot=owner.boot, since=now, until=now + ttl
            )
        )
        return Lease(name=name, token=token, owner=owner, since=now, until=now + ttl)

    async def _lost(self, name: str) -> LockedError:
        holder = await self.holder(name)
        by = f": process {holder.owner.pid} on {holder.owner.host} holds it" if holder else ""
        return LockedError(f"the lease {name!r} is not held by this run any more{by}")


async def fence(connection: Connection, token: int | None) -> None:
    """Refuse a write under an outdated lease (LockedError). None is for what needs no lease, such as a proof that arrives."""
    if token is not None:
        await Leases(connection).check(APPLY, token)


def _held_by(lease: Lease) -> Update:
    return update(leases).where(leases.c.name == lease.name, leases.c.token == lease.token, leases.c.owner.is_not(None))


def _holder(row: Row[Any]) -> Holder | None:
    if row.owner is None:
        return None
    return Holder(owner=Owner(row.owner, row.host, row.pid, row.boot), since=row.since, until=row.until)


def is_dead(holder: Owner, here: Owner, alive: Callable[[int], bool]) -> bool:
    """Whether a holder is certain to be gone: a process of the machine of `here`, since its last start, that does not live."""
    # After a reboot the boot id differs; it could as well be another machine of the same name, so that one runs out by time.
    return (holder.host, holder.boot) == (here.host, here.boot) and not alive(holder.pid)
