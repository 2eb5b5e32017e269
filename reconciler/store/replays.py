"""Messages that were seen, so that none is taken twice, by whichever process of a server (BRC-103)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Final, TypeAlias

from sqlalchemy import BigInteger, Column, LargeBinary, Table, delete, insert, select

from reconciler.model.errors import OverlayError
from reconciler.store.database import Database, metadata
from reconciler.store.inserts import insert_returning_new
from reconciler.store.works import Connection

_BYTES: Final = 16
"""Of a SHA-256. Two messages that share it would have to be looked for, by someone who can only lock out himself with them."""
_SPAN: Final = 60
"""Seconds of expiry that lie together: old rows are at the beginning of the table, and go at once."""
_SLACK: Final = 600
"""Seconds that clocks of machines which share a database may be apart."""
_EPOCH: Final = 2**63 - 1
"""The span of a row that is no message: never over."""
_IN_FLIGHT: Final = 2
"""Batches that are written at the same time: one is verified while the other is on its way to the disk."""
_TURNS: Final = 4
"""Of the event loop, that a batch waits for those whose messages are here but not verified yet: nothing where there are none."""

replays = Table(
    "replays",
    metadata,
    Column("span", BigInteger, primary_key=True, autoincrement=False),
    Column("message", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)


_Row: TypeAlias = tuple[int, bytes]


@dataclass(slots=True)
class _Batch:
    """Who waits for what, by row."""

    waiting: dict[_Row, asyncio.Future[bool]] = field(default_factory=dict)
    now: int = 0

    def unanswered(self) -> list[asyncio.Future[bool]]:
        """Those who still wait."""
        return [answer for answer in self.waiting.values() if not answer.done()]


class Replays:
    """Satisfies web.sessions.Replays. Messages that come while the database is busy are written together."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next = _Batch()
        self._is_gathering = False
        self._writing: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(_IN_FLIGHT)
        self._pruned = 0

    async def first(self, message: bytes, *, until: int, now: int) -> bool:
        """Whether `message` is seen for the first time; durable when this returns. Raises as `Database.begin` does."""
        row = _row(message, until)
        if row in self._next.waiting:
            return False
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._next.waiting[row] = answer
        self._next.now = now
        if not self._is_gathering:
            self._is_gathering = True
            task = asyncio.create_task(self._write())
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)
        return await answer

    async def seen(self, message: bytes, *, until: int) -> bool:
        """Whether `message` was seen, with the same `until`."""
        return await self._database.glance(partial(_has, _row(message, until)))

    async def epoch(self, fresh: bytes) -> bytes:
        """What names this memory: as long as it is the same, nothing was forgotten. `fresh` is random, for the first who asks."""
        return await self._database.write(partial(_epoch, fresh))

    async def _write(self) -> None:
        """Gather a batch, and write it; the next one may be gathered meanwhile."""
        async with self._room:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            batch, self._next, self._is_gathering = self._next, _Batch(), False
            await self._answer(batch)

    async def _answer(self, batch: _Batch) -> None:
        try:
            await self._prune(batch.now)
            new = await self._database.write_apart(partial(_record, sorted(batch.waiting)))
        except OverlayError as error:
            for answer in batch.unanswered():
                answer.set_exception(error)
        else:
            for row, answer in batch.waiting.items():
                if not answer.done():
                    answer.set_result(row in new)
        finally:
            for answer in batch.unanswered():
                answer.cancel()

    async def _prune(self, now: int) -> None:
        """Once in a span: forget what belongs to sessions that are over."""
        if now // _SPAN != self._pruned:
            self._pruned = now // _SPAN
            await self._database.write(partial(_forget, (now - _SLACK) // _SPAN))


async def _record(rows: Sequence[_Row], connection: Connection) -> frozenset[_Row]:
    """Write rows, in an order that is the same for all who may write them; gives those that were not there."""
    values = [{"span": span, "message": message} for span, message in rows]
    new = await insert_returning_new(connection, replays, values)
    return frozenset((row.span, row.message) for row in new)


async def _forget(before: int, connection: Connection) -> None:
    await connection.execute(delete(replays).where(replays.c.span < before))


async def _epoch(fresh: bytes, connection: Connection) -> bytes:
    row = replays.c.span == _EPOCH
    known: bytes | None = await connection.scalar(select(replays.c.message).where(row))
    if known is None:
        await connection.execute(insert(replays).values(span=_EPOCH, message=fresh))
    return known or fresh


async def _has(row: _Row, connection: Connection) -> bool:
    span, message = row
    found = select(replays.c.span).where(replays.c.span == span, replays.c.message == message)
    return await connection.scalar(found) is not None


def _row(message: bytes, until: int) -> _Row:
    return until // _SPAN, sha256(message).digest()[:_BYTES]
