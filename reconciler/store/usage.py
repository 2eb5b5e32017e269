"""How much each consumer had in a window of time, counted by all processes together.

To count costs nobody anything: what is counted while the database is busy is added to it in one statement, soon after. Until
then this process knows of it, and the others do not. What a process had not written when it was killed is forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Final, Self, TypeAlias

from sqlalchemy import BigInteger, Column, Executable, Integer, Table, delete, select

from reconciler.model.errors import OverlayError
from reconciler.model.ids import IdentityKey
from reconciler.store.database import Database, Hex, metadata
from reconciler.store.inserts import inserting
from reconciler.store.works import Connection

_SLACK: Final = 600
"""Seconds that clocks of machines which share a database may be apart."""

_PRUNED_EVERY: Final = 3600
"""Seconds."""

consumer_usage = Table(
    "consumer_usage",
    metadata,
    Column("resets", BigInteger, primary_key=True, autoincrement=False),
    Column("seconds", Integer, primary_key=True, autoincrement=False),
    Column("consumer", Hex, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""By windows of so many seconds that end at `resets` (unix seconds), so that old rows lie together."""


@dataclass(frozen=True, slots=True)
class Window:
    """So many seconds, of which `resets` (unix seconds) is the first that is in the next one."""

    seconds: int
    resets: int

    @classmethod
    def at(cls, now: float, seconds: int) -> Self:
        """The window of this length that it is now."""
        return cls(seconds, (int(now) // seconds + 1) * seconds)


@dataclass(frozen=True, slots=True)
class Used:
    """What somebody had."""

    requests: int = 0
    bytes: int = 0

    def __add__(self, more: Used) -> Used:
        return Used(self.requests + more.requests, self.bytes + more.bytes)


_Key: TypeAlias = tuple[Window, IdentityKey]


class Usage:
    """The counters, as one process sees them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next: dict[_Key, Used] = {}
        self._writing: Mapping[_Key, Used] = {}
        self._landed = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._pruned = 0

    def count(self, consumer: IdentityKey, window: Window, had: Used) -> None:
        """Add to what a consumer had in a window."""
        key = window, consumer
        self._next[key] = self._next.get(key, Used()) + had
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())

    async def landed(self, consumer: IdentityKey) -> None:
        """Wait until nothing of a consumer's is on its way to the database: nobody could tell whether that is there yet."""
        while any(of == consumer for _, of in self._writing):
            await self._landed.wait()

    def unwritten(self, consumer: IdentityKey, window: Window) -> Used:
        """What was counted here and is not in the database yet; for whoever reads there as soon as all has `landed`."""
        return self._next.get((window, consumer), Used())

    async def written(self) -> None:
        """Wait until what was counted here is in the database, or cannot be written."""
        if self._writer is not None:
            await self._writer

    async def _write_all(self) -> None:
        try:
            while self._next:
                self._writing, self._next = self._next, {}
                self._landed.clear()
                await self._database.write(partial(_add, self._writing))
                begun = max(window.resets - window.seconds for window, _ in self._writing)
                self._land()
                await self._prune(begun)
        except OverlayError:  # it goes on counting here, and is written with what comes next
            for key, had in self._writing.items():
                self._next[key] = self._next.get(key, Used()) + had
        finally:
            self._land()
            self._writer = None

    def _land(self) -> None:
        self._writing = {}
        self._landed.set()

    async def _prune(self, begun: int) -> None:
        """Now and then: forget windows that were over when the newest one began."""
        if begun // _PRUNED_EVERY != self._pruned:
            self._pruned = begun // _PRUNED_EVERY
            await self._database.write(partial(_forget, begun - _SLACK))


async def used(connection: Connection, consumer: IdentityKey, window: Window) -> Used:
    """What the database knows a consumer to have had in a window."""
    columns = consumer_usage.c
    row = await connection.execute(
        select(columns.requests, columns.bytes).where(
            columns.resets == window.resets, columns.seconds == window.seconds, columns.consumer == consumer
        )
    )
    found = row.one_or_none()
    return Used() if found is None else Used(found.requests, found.bytes)


async def _add(counted: Mapping[_Key, Used], connection: Connection) -> None:
    rows = [
        {
            "resets": window.resets,
            "seconds": window.seconds,
            "consumer": consumer,
            "requests": had.requests,
            "bytes": had.bytes,
        }
        for (window, consumer), had in sorted(counted.items(), key=lambda each: (each[0][0].resets, each[0][1]))
    ]
    await connection.execute(_adding(connection.dialect.name), rows)


async def _forget(before: int, connection: Connection) -> None:
    await connection.execute(delete(consumer_usage).where(consumer_usage.c.resets < before))


@cache
def _adding(dialect: str) -> Executable:
    statement = inserting(dialect, consumer_usage)
    more = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["resets", "seconds", "consumer"],
        set_={
            "requests": consumer_usage.c.requests + more.requests,
            "bytes": consumer_usage.c.bytes + more.bytes,
        },
    )
