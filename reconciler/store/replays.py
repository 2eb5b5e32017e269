"""Messages that were seen, so that none is taken twice, by whichever process of a server (BRC-103)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, TypeAlias

from sqlalchemy import BigInteger, Column, LargeBinary, Table, delete

from reconciler.model.errors import OverlayError
from reconciler.store.database import Database, insert_returning_new, metadata
from reconciler.store.works import Connection

_BYTES: Final = 16
"""Of a SHA-256. Two messages that share it would have to be looked for, by someone who can only lock out himself with them."""
_SPAN: Final = 60
"""Seconds of expiry that lie together: old rows are at the beginning of the table, and go at once."""
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
        self._writing: asyncio.Task[None] | None = None
        self._pruned = 0

    async def first(self, message: bytes, *, until: int, now: int) -> bool:
        """Whether `message` is seen for the first time; durable when this returns. Raises as `Database.begin` does."""
        row = until // _SPAN, sha256(message).digest()[:_BYTES]
        if row in self._next.waiting:
            return False
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._next.waiting[row] = answer
        self._next.now = now
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return await answer

    async def _write(self) -> None:
        """Write batch after batch until nobody waits."""
        try:
            while self._next.waiting:
                batch, self._next = self._next, _Batch()
                await self._answer(batch)
        finally:
            self._writing = None

    async def _answer(self, batch: _Batch) -> None:
        try:
            async with self._database.begin() as connection:
                new = await self._insert(connection, tuple(batch.waiting))
                await self._prune(connection, batch.now)
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

    async def _insert(self, connection: Connection, rows: tuple[_Row, ...]) -> frozenset[_Row]:
        values = [{"span": span, "message": message} for span, message in rows]
        found = await insert_returning_new(connection, replays, values)
        return frozenset((row.span, row.message) for row in found)

    async def _prune(self, connection: Connection, now: int) -> None:
        """Once in a span: forget what belongs to sessions that are over."""
        if now // _SPAN != self._pruned:
            await connection.execute(delete(replays).where(replays.c.span < now // _SPAN))
            self._pruned = now // _SPAN
