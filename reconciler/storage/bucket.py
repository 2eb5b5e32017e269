"""Bytes under names of their own, in a folder or in an S3 bucket: streamed in constant memory, never half there.

obstore does the work; it has two gaps, which are closed here for a folder: it syncs nothing, and what a killed process was
writing stays, under names that it does not list.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.model.ids import Digest

_BLOCK: Final = 1 << 20
"""Bytes that are hashed, and handed on, at once."""

_PART: Final = 8 << 20
"""Bytes of one request to S3. An upload has at most 10,000 of them, an object 11 GB."""

_PARTS: Final = 2
"""On their way at once, for one upload; what else it holds in memory is one more."""

_STAGED: Final = re.compile(r".+#\d+")
"""How obstore names a file that is not whole yet."""

_S3_SECONDS: Final = timedelta(seconds=30)
"""For one request, and for all attempts at it."""
_CONNECT_SECONDS: Final = timedelta(seconds=5)


class Bucket:
    """Objects by name, with `/` between its parts. A name is written once, by one writer; what it names never changes.

    Everything raises UnreachableError where disk or bucket fail: full, slow, away, refusing.
    """

    def __init__(self, store: ObjectStore, *, block: int, folder: Path | None = None) -> None:
        """`block` is how many bytes go to and fro at once; a `folder` is where a store on disk keeps its files."""
        self._store = store
        self._block = block
        self._folder = folder

    @classmethod
    def on_disk(cls, folder: Path) -> Bucket:
        """A folder, which is made where it is missing. What has been written survives a power cut."""
        with _translated():
            return cls(LocalStore(folder, mkdir=True), block=_BLOCK, folder=folder)

    @classmethod
    def on_s3(cls, bucket: str, *, prefix: str = "", endpoint: str | None = None, region: str | None = None) -> Bucket:
        """A bucket, or what lies below `prefix` in one. Credentials are those of the environment (AWS_ACCESS_KEY_ID, ...).

        `endpoint` is the URL of an S3 that is not Amazon's.
        """
        with _translated():
            store = S3Store(
                bucket,
                prefix=prefix or None,
                endpoint=endpoint,
                region=region,
                client_options={
                    "timeout": _S3_SECONDS,
                    "connect_timeout": _CONNECT_SECONDS,
                    "allow_http": endpoint is not None and endpoint.startswith("http://"),
                },
                retry_config={"max_retries": 3, "retry_timeout": _S3_SECONDS},
            )
        return cls(store, block=_PART)

    async def write(self, name: str, chunks: AsyncIterable[bytes], size: int) -> Digest:
        """Keep exactly `size` bytes; returns their hash once they are there for good. If this raises, nothing is.

        Raises RefusedError where more or fewer come, and what `chunks` raises.
        """
        digest, count = sha256(), 0
        with _translated():
            async with obstore.open_writer_async(
                self._store, name, buffer_size=self._block, max_concurrency=_PARTS
            ) as writer:  # an exception abandons what was written
                async for block in _blocks(chunks):
                    count += len(block)
                    if count > size:
                        raise RefusedError(f"more than the announced {size} bytes came", code="ERR_INVALID_SIZE")
                    await asyncio.gather(asyncio.to_thread(digest.update, block), writer.write(block))
                if count < size:
                    raise RefusedError(f"{count} of the announced {size} bytes came", code="ERR_INVALID_SIZE")
            if self._folder is not None:
                await asyncio.to_thread(_sync, self._folder, name)
        return Digest(digest.hexdigest())

    async def read(self, name: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to, and without, `stop`. They come block by block, however slow the reader is."""
        for at in range(start, stop, self._block):
            length = min(self._block, stop - at)
            with _translated():
                block = await obstore.get_range_async(self._store, name, start=at, length=length)
            yield bytes(block)

    async def size(self, name: str) -> int | None:
        """How many bytes an object has; None where there is none."""
        with _translated():
            try:
                found = await obstore.head_async(self._store, name)
            except FileNotFoundError:
                return None
        return found["size"]

    async def remove(self, name: str) -> None:
        """Delete an object; not being there is fine."""
        with _translated(), suppress(FileNotFoundError):
            await obstore.delete_async(self._store, name)

    async def older_than(self, seconds: float, *, below: str) -> AsyncIterator[tuple[str, ...]]:
        """The names of all objects `below` a first part of names that were written longer ago, some at a time."""
        before = time.time() - seconds
        batches = aiter(obstore.list(self._store, prefix=below, chunk_size=500))
        while True:
            with _translated():
                batch = await anext(batches, None)
            if batch is None:
                return
            yield tuple(each["path"] for each in batch if each["last_modified"].timestamp() < before)

    async def abandon(self, seconds: float, *, below: str) -> None:
        """Remove what a process that has died since was writing longer ago.

        On S3 that is a rule of the bucket's: an upload that was begun and not finished is not listed.
        """
        if self._folder is not None:
            with _translated():
                await asyncio.to_thread(_remove_staged, self._folder / below, time.time() - seconds)


def _sync(folder: Path, name: str) -> None:
    """The bytes, then every name on the way to them."""
    path = folder / name
    for each in (path, *(parent for parent in path.parents if parent.is_relative_to(folder))):
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove_staged(folder: Path, before: float) -> None:
    for path in folder.glob("*#*"):
        with suppress(FileNotFoundError):  # whoever wrote it has finished, or another process sweeps
            if _STAGED.fullmatch(path.name) and path.stat().st_mtime < before:
                path.unlink()


@contextmanager
def _translated() -> Iterator[None]:
    """Where obstore's exceptions, and the system's, become ours; what they say is for the operator alone."""
    try:
        yield
    except (BaseError, OSError) as error:
        said = str(error).partition("\n")[0]
        raise UnreachableError("stored content is out of reach at the moment", where=said) from error


async def _blocks(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    block = bytearray()
    async for chunk in chunks:
        block += chunk
        if len(block) >= _BLOCK:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)
