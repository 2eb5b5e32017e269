"""The pauses of a watch: they end by time, when a file that matters changes, or when somebody says stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from watchfiles import awatch
from watchfiles._rust_notify import WatchfilesRustInternalError

from reconciler.control.watch import Wake

_SETTLED_MS: Final = 300
"""Changes that follow one another within so many milliseconds are one: editors write a file in several steps."""
_LONGEST_MS: Final = 3000
_MOST_PATHS: Final = 10_000
"""More changed paths are not told apart: then everything has changed."""


@asynccontextmanager
async def waking(
    trees: Sequence[Path],
    folders: Sequence[Path],
    *,
    stopped: Callable[[], Awaitable[object]],
    blind: Callable[[str], None],
) -> AsyncIterator[Bell]:
    """Listen to `trees`, with all that is below them, and to `folders`, while the block runs.

    `stopped` returns when all is to end. `blind` is told why where the system cannot watch files; pauses then end by time alone.
    """
    stopping = asyncio.Event()
    bell = Bell(stopping=stopping)
    tasks = [
        asyncio.create_task(_ring(stopping, stopped)),
        asyncio.create_task(_listen(bell, trees, recursive=True, blind=blind)),
        asyncio.create_task(_listen(bell, folders, recursive=False, blind=blind)),
    ]
    await asyncio.sleep(0)  # they listen before anything is read: what changes meanwhile would be missed
    try:
        yield bell
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(slots=True, kw_only=True)
class Bell:
    """Satisfies control.watch.Alarm."""

    stopping: asyncio.Event
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: set[Path] = field(default_factory=set)
    _is_flooded: bool = False

    def hear(self, paths: set[Path]) -> None:
        """These have changed."""
        self._changed |= paths
        if len(self._changed) > _MOST_PATHS:
            self._changed.clear()
            self._is_flooded = True
        self._news.set()

    async def __call__(self, seconds: float, concerns: Callable[[Path], bool]) -> Wake:
        """See control.watch.Alarm."""
        if self.stopping.is_set():
            return Wake.STOP
        stop = asyncio.create_task(self.stopping.wait())
        news = asyncio.create_task(self._heard(concerns))
        try:
            await asyncio.wait({stop, news}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if stop.done():
                return Wake.STOP
            return Wake.FILES if news.done() else Wake.TIME
        finally:
            for task in (stop, news):
                task.cancel()

    async def _heard(self, concerns: Callable[[Path], bool]) -> None:
        """Until one of the paths that changed, now or since the last pause, concerns us."""
        while True:
            changed, is_flooded = self._changed, self._is_flooded
            self._changed, self._is_flooded = set(), False
            self._news.clear()
            if is_flooded or any(map(concerns, changed)):
                return
            await self._news.wait()


async def _ring(stopping: asyncio.Event, stopped: Callable[[], Awaitable[object]]) -> None:
    await stopped()
    stopping.set()


async def _listen(bell: Bell, folders: Sequence[Path], *, recursive: bool, blind: Callable[[str], None]) -> None:
    if not folders:
        return
    try:
        changes = awatch(*folders, watch_filter=None, debounce=_LONGEST_MS, step=_SETTLED_MS, recursive=recursive)
        async for found in changes:
            bell.hear({Path(path) for _, path in found})
    except (OSError, WatchfilesRustInternalError) as error:
        blind(str(error))
