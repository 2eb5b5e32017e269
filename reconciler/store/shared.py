"""One read for all who have asked for the same thing before it began, where many ask at once for what everybody must know."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """Reads on behalf of whoever waits. Nobody is told what was read before he asked: who comes during a read waits for the next."""

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self._read = read
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def now(self) -> T:
        """What is there now, or what the read raises. Who gives up waiting takes nothing from the others."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running))
            self._next.add_done_callback(_noticed)
        return await asyncio.shield(self._next)

    async def _after(self, running: asyncio.Task[T] | None) -> T:
        if running is not None and not running.done():
            await asyncio.wait([running])
        self._running, self._next = self._next, None
        return await self._read()


def _noticed(read: asyncio.Task[T]) -> None:
    """What a read has raised after all have given up waiting is no news to the event loop."""
    if not read.cancelled():
        read.exception()
