"""A folder as a bucket: written beside, synced, and moved into place whole.

Without obstore, whose LocalStore syncs nothing, and whose threads do not live on in a process that forks.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from reconciler.model.errors import UnreachableError
from reconciler.model.ids import Digest
from reconciler.storage.bucket import BLOCK, Measure, blocks
from reconciler.store.batches import batches

_STAGED: Final = ".part"
"""The end of the name of a file that is not whole yet."""


class Disk:
    """Satisfies storage.bucket.Bucket. What has been written survives a power cut."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def write(self, name: str, chunks: AsyncIterable[bytes], size: int) -> Digest:
        """See storage.bucket.Bucket."""
        place = self._folder / name
        staged = place.with_name(place.name + _STAGED)
        measure = Measure(size)
        try:
            with _translated():
                file = await asyncio.to_thread(_create, staged)
            with file:
                async for block in blocks(chunks):
                    with _translated():
                        await asyncio.to_thread(_append, file, block, measure)
                digest = measure.result()
                with _translated():
                    await asyncio.to_thread(_finish, file, staged, place, self._folder)
        except BaseException:
            with suppress(OSError):  # `abandon` finds it
                staged.unlink(missing_ok=True)
            raise
        return digest

    async def read(self, name: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """See storage.bucket.Bucket. Who has begun to read goes on, even when the object is removed."""
        with _translated():
            handle = await asyncio.to_thread(os.open, self._folder / name, os.O_RDONLY)
        try:
            for at in range(start, stop, BLOCK):
                with _translated():
                    block = await asyncio.to_thread(os.pread, handle, min(BLOCK, stop - at), at)
                yield block
        finally:
            os.close(handle)

    async def size(self, name: str) -> int | None:
        """See storage.bucket.Bucket."""
        with _translated():
            try:
                return (await asyncio.to_thread(os.stat, self._folder / name)).st_size
            except FileNotFoundError:
                return None

    async def remove(self, name: str) -> None:
        """See storage.bucket.Bucket."""
        with _translated():
            await asyncio.to_thread((self._folder / name).unlink, missing_ok=True)

    async def older_than(self, seconds: float, *, below: str) -> AsyncIterator[tuple[str, ...]]:
        """See storage.bucket.Bucket."""
        with _translated():
            old = await asyncio.to_thread(_older, self._folder / below, time.time() - seconds)
        for names in batches(name for name in old if not name.endswith(_STAGED)):
            yield tuple(f"{below}/{name}" for name in names)

    async def abandon(self, seconds: float, *, below: str) -> None:
        """See storage.bucket.Bucket."""
        with _translated():
            for name in await asyncio.to_thread(_older, self._folder / below, time.time() - seconds):
                if name.endswith(_STAGED):
                    await self.remove(f"{below}/{name}")


def _create(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("xb", buffering=0)


def _append(file: IO[bytes], block: bytes, measure: Measure) -> None:
    """All of it: an unbuffered file may take less than it is given."""
    measure.take(block)
    left = memoryview(block)
    while left:
        left = left[file.write(left) :]


def _finish(file: IO[bytes], staged: Path, place: Path, root: Path) -> None:
    """The bytes first, then every name on the way to them."""
    os.fsync(file.fileno())
    staged.replace(place)
    for folder in (each for each in place.parents if each.is_relative_to(root)):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _older(folder: Path, before: float) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if _mtime(entry) < before]
    except FileNotFoundError:  # nothing was ever put there
        return []


def _mtime(entry: os.DirEntry[str]) -> float:
    """When a file was written; one that goes while we look is not old."""
    try:
        return entry.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


@contextmanager
def _translated() -> Iterator[None]:
    """Where the system's exceptions become ours; what they say is for the operator alone."""
    try:
        yield
    except OSError as error:
        raise UnreachableError("stored content is out of reach at the moment", where=str(error)) from error
