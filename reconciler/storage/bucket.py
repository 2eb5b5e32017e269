"""Where a storage host's bytes lie: objects by name, streamed in constant memory, never half there.

A folder is storage/disk.py, S3 is storage/s3.py; one suite of tests holds both to this.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from hashlib import sha256
from typing import Final, Protocol

from reconciler.model.errors import RefusedError
from reconciler.model.ids import Digest

BLOCK: Final = 1 << 20
"""Bytes that are hashed, and handed on, at once, off the event loop."""


class Bucket(Protocol):
    """Objects by name, with `/` between its parts. A name is written once, by one writer; what it names never changes.

    Everything raises UnreachableError where disk or bucket fail: full, slow, away, refusing.
    """

    async def write(self, name: str, chunks: AsyncIterable[bytes], size: int) -> Digest:
        """Keep exactly `size` bytes; returns their hash once they are there for good. If this raises, nothing is.

        Raises RefusedError where more or fewer come, and what `chunks` raises.
        """
        ...

    def read(self, name: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to, and without, `stop`. They come block by block, however slow the reader is."""
        ...

    async def size(self, name: str) -> int | None:
        """How many bytes an object has; None where there is none."""
        ...

    async def remove(self, name: str) -> None:
        """Delete an object; not being there is fine."""
        ...

    def older_than(self, seconds: float, *, below: str) -> AsyncIterator[tuple[str, ...]]:
        """The names of all objects `below` a first part of names that were written longer ago, some at a time."""
        ...

    async def abandon(self, seconds: float, *, below: str) -> None:
        """Remove what a process that has died since was writing longer ago, where that can be seen."""
        ...


class Measure:
    """Hashes and counts what passes, and holds it to the size that was announced."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._count = 0
        self._digest = sha256()

    def take(self, block: bytes) -> None:
        """One block more. Raises RefusedError where that is more than was announced."""
        self._count += len(block)
        if self._count > self._size:
            raise RefusedError(f"more than the announced {self._size} bytes came", code="ERR_INVALID_SIZE")
        self._digest.update(block)

    def result(self) -> Digest:
        """The hash of all. Raises RefusedError where it is less than was announced."""
        if self._count < self._size:
            raise RefusedError(f"{self._count} of the announced {self._size} bytes came", code="ERR_INVALID_SIZE")
        return Digest(self._digest.hexdigest())


async def blocks(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of a block or more, but for the last one."""
    block = bytearray()
    async for chunk in chunks:
        block += chunk
        if len(block) >= BLOCK:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)
