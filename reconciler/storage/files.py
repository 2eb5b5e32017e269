"""Bytes on disk, by their SHA-256: written beside, synced, and moved into place whole."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

from reconciler.model.errors import RefusedError
from reconciler.model.ids import Digest

_BLOCK: Final = 1 << 20
"""Bytes that are written, and hashed, at once, off the event loop."""


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes that have come whole and are on disk, but not in place."""

    sha256: Digest
    size: int
    path: Path


class Files:
    """A folder of files named by their hash. Of any number of writers of the same bytes, all succeed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"

    @asynccontextmanager
    async def receive(self, chunks: AsyncIterable[bytes], size: int) -> AsyncIterator[Received]:
        """Write exactly `size` bytes, in constant memory; gone at the end of the block unless put in place.

        Raises RefusedError where more or fewer come.
        """
        await asyncio.to_thread(self._incoming.mkdir, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._incoming)
        path = Path(name)
        try:
            with os.fdopen(handle, "wb", buffering=0) as file:
                sink = _Sink(file)
                async for block in _blocks(chunks):
                    if sink.size + len(block) > size:
                        raise RefusedError(f"more than the announced {size} bytes came", code="ERR_INVALID_SIZE")
                    await asyncio.to_thread(sink.write, block)
                if sink.size < size:
                    raise RefusedError(f"{sink.size} of the announced {size} bytes came", code="ERR_INVALID_SIZE")
                await asyncio.to_thread(os.fsync, file.fileno())
            yield Received(sink.sha256, sink.size, path)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    def place(self, received: Received) -> None:
        """Move received bytes to their place, durably."""
        received.path.replace(self.path(received.sha256))
        folder = os.open(self._root, os.O_RDONLY)
        try:
            os.fsync(folder)  # the new name must survive a power cut as well
        finally:
            os.close(folder)

    def path(self, sha256: Digest) -> Path:
        """Where bytes with this hash lie, if they do."""
        return self._root / sha256

    def remove(self, sha256: Digest) -> None:
        """Delete; not being there is fine."""
        self.path(sha256).unlink(missing_ok=True)


class _Sink:
    """A file that is hashed while it is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = sha256()
        self.size = 0

    @property
    def sha256(self) -> Digest:
        return Digest(self._digest.hexdigest())

    def write(self, block: bytes) -> None:
        """All of it: an unbuffered file may take less than it is given."""
        self._digest.update(block)
        self.size += len(block)
        left = memoryview(block)
        while left:
            left = left[self._file.write(left) :]


async def _blocks(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    block = bytearray()
    async for chunk in chunks:
        block += chunk
        if len(block) >= _BLOCK:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)
