"""Stored parts on this machine's disk, as long as there is room: fetched once for everybody who waits, verified, and evicted.

Several processes share the folder. A part appears there whole or not at all, is hashed when it is brought in, and once more by
every process that finds it there. Whoever reads one opens it for each piece, and asks again where it was evicted meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from reconciler.content.fetching import Fetcher, Pin
from reconciler.model.errors import OverlayError, RefusedError, StateError, UnreachableError
from reconciler.model.ids import Digest
from reconciler.wire.documents import StoredPart

LIMIT: Final = 8 << 30
"""Bytes of all parts together, unless told otherwise."""

_PATIENCE: Final = 25.0
"""Seconds that somebody waits for a part. It goes on coming without them."""
_SHARE: Final = 16
"""The folder is looked through whenever this fraction of its limit has been brought in."""
_FRESH: Final = 60.0
"""Seconds in which a part counts as just used."""
_ABANDONED: Final = 3600.0
"""Seconds after which a file that is not whole is nobody's."""
_PARTIAL: Final = "."
"""How its name begins (content.writing)."""


class PartCache:
    """Parts in `fetcher.folder`, named by their hash, of `limit` bytes together. Closed by who made it."""

    def __init__(self, fetcher: Fetcher, *, limit: int = LIMIT, patience: float = _PATIENCE) -> None:
        self._fetcher = fetcher
        self._limit = limit
        self._patience = patience
        self._verified: dict[Digest, Path] = {}
        self._coming: dict[Digest, asyncio.Task[Path]] = {}
        self._unseen = limit  # so that the first part has the folder looked through

    async def close(self) -> None:
        """End what is on its way."""
        for task in (tasks := [*self._coming.values()]):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def begin(self, part: StoredPart) -> None:
        """Have a part brought in that will be asked for."""
        if part.sha256 not in self._verified and part.size <= self._limit:
            self._task(part)

    async def read(self, part: StoredPart, start: int, size: int) -> bytes:
        """Bytes of a part, as many as are asked for.

        Raises UnreachableError where no storage host gives it, or not in time, RefusedError (code 404) for a part that is larger
        than the cache.
        """
        while True:
            path = self._verified.get(part.sha256) or await self._brought(part)
            data = await asyncio.to_thread(_read, path, start, size)
            if data is not None:
                return data
            self._verified.pop(part.sha256, None)  # evicted, by us or by another process

    async def drop(self, part: StoredPart) -> None:
        """Forget a part that has turned out to be damaged."""
        path = self._verified.pop(part.sha256, None)
        if path is not None:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _brought(self, part: StoredPart) -> Path:
        if part.size > self._limit:
            raise RefusedError(
                f"a part of {part.size} bytes is more than is passed on here", hint=f"fetch {part.uhrp}", code="404"
            )
        try:
            async with asyncio.timeout(self._patience):
                return await asyncio.shield(self._task(part))
        except TimeoutError as error:
            raise UnreachableError(f"{part.uhrp} is still on its way here", where=part.uhrp) from error
        except StateError as error:  # a disk that is full, for example
            raise UnreachableError(error.message, where=part.uhrp) from error
        except OverlayError as error:  # that a host gives other bytes, or none, is no fault of who asks
            raise UnreachableError(f"no storage host gives {part.uhrp}: {error.message}", where=part.uhrp) from error

    def _task(self, part: StoredPart) -> asyncio.Task[Path]:
        task = self._coming.get(part.sha256)
        if task is None:
            task = self._coming[part.sha256] = asyncio.ensure_future(self._bring(part))

            def end(done: asyncio.Task[Path]) -> None:
                del self._coming[part.sha256]
                if not done.cancelled():
                    done.exception()  # somebody asks for it, or nobody does any more

            task.add_done_callback(end)
        return task

    async def _bring(self, part: StoredPart) -> Path:
        path = await self._fetcher.fetch(Pin(sha256=part.sha256, size=part.size, uhrp=part.uhrp))
        self._verified[part.sha256] = path
        self._unseen += part.size
        if self._unseen * _SHARE >= self._limit:
            self._unseen = 0
            await asyncio.to_thread(_make_room, self._fetcher.folder, self._limit - self._limit // _SHARE, path)
        return path


def _read(path: Path, start: int, size: int) -> bytes | None:
    """Bytes of a file, or None where it is gone. Says that it was used."""
    try:
        with path.open("rb", buffering=0) as file:
            data = os.pread(file.fileno(), size, start)
            if time.time() - os.fstat(file.fileno()).st_mtime > _FRESH:
                os.utime(file.fileno())
    except FileNotFoundError:
        return None
    return data


def _make_room(folder: Path, limit: int, kept: Path) -> None:
    """Remove the files that were not used for longest until `limit` bytes are left; `kept` is not one of them."""
    files = sorted(_files(folder))
    total = sum(size for _, size, _ in files)
    for _, size, path in files:
        if total <= limit:
            return
        if path != kept:
            path.unlink(missing_ok=True)
            total -= size


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """When each was last used, its size, and the file; what was begun and abandoned goes at once."""
    for entry in os.scandir(folder):
        try:
            stated = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # another process has made room meanwhile
            continue
        if not entry.name.startswith(_PARTIAL):
            yield stated.st_mtime, stated.st_size, Path(entry.path)
        elif time.time() - stated.st_mtime > _ABANDONED:
            Path(entry.path).unlink(missing_ok=True)
