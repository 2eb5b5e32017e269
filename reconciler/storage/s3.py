"""S3 as a bucket, by obstore, which the extra `s3` brings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from reconciler.model.errors import UnreachableError
from reconciler.model.ids import Digest
from reconciler.storage.bucket import Measure, blocks

if TYPE_CHECKING:
    from obstore.store import S3Config  # which is there for type checkers alone

_PART: Final = 8 << 20
"""Bytes of one request. An upload has at most 10,000 of them, an object 11 GB."""

_PARTS: Final = 2
"""On their way at once, for one upload; what else it holds in memory is one more."""

_PATIENCE: Final = timedelta(seconds=30)
_TO_CONNECT: Final = timedelta(seconds=5)


class S3:
    """Satisfies storage.bucket.Bucket, below `prefix` in an S3 bucket. An object is seen when it is whole, and not before.

    Credentials are those of the environment (AWS_ACCESS_KEY_ID, ...). What was begun and never finished costs money and is not
    listed: have the bucket remove it, by a rule for incomplete multipart uploads.
    """

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        endpoint: str | None = None,
        region: str | None = None,
        patience: timedelta = _PATIENCE,
    ) -> None:
        """`endpoint` is the URL of an S3 that is not Amazon's; what is None is what the environment says. `patience` is for one request, and for all attempts at it."""
        named: S3Config = {}
        if endpoint is not None:
            named["endpoint"] = endpoint
        if region is not None:
            named["region"] = region
        with _translated():
            self._store = S3Store(
                bucket,
                prefix=prefix or None,
                config=named,
                client_options={
                    "timeout": patience,
                    "connect_timeout": min(patience, _TO_CONNECT),
                    "allow_http": endpoint is not None and endpoint.startswith("http://"),
                },
                retry_config={"max_retries": 3, "retry_timeout": patience},
            )

    async def write(self, name: str, chunks: AsyncIterable[bytes], size: int) -> Digest:
        """See storage.bucket.Bucket."""
        measure = Measure(size)
        with _translated():
            async with obstore.open_writer_async(
                self._store, name, buffer_size=_PART, max_concurrency=_PARTS
            ) as writer:  # an exception abandons what was written
                async for block in blocks(chunks):
                    await asyncio.to_thread(measure.take, block)
                    await writer.write(block)
                return measure.result()

    async def read(self, name: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """See storage.bucket.Bucket. Part by part: a slow reader keeps no connection."""
        for at in range(start, stop, _PART):
            with _translated():
                block = await obstore.get_range_async(self._store, name, start=at, length=min(_PART, stop - at))
            yield bytes(block)

    async def size(self, name: str) -> int | None:
        """See storage.bucket.Bucket."""
        with _translated():
            try:
                return (await obstore.head_async(self._store, name))["size"]
            except FileNotFoundError:
                return None

    async def remove(self, name: str) -> None:
        """See storage.bucket.Bucket."""
        with _translated(), suppress(FileNotFoundError):
            await obstore.delete_async(self._store, name)

    async def older_than(self, seconds: float, *, below: str) -> AsyncIterator[tuple[str, ...]]:
        """See storage.bucket.Bucket."""
        before = time.time() - seconds
        listing = aiter(obstore.list(self._store, prefix=below, chunk_size=500))
        while True:
            with _translated():
                batch = await anext(listing, None)
            if batch is None:
                return
            yield tuple(each["path"] for each in batch if each["last_modified"].timestamp() < before)

    async def abandon(self, seconds: float, *, below: str) -> None:
        """See storage.bucket.Bucket: a rule of the bucket's does it."""


@contextmanager
def _translated() -> Iterator[None]:
    """Where obstore's exceptions, and those of Python that it raises, become ours; their words are for the operator alone."""
    try:
        yield
    except (BaseError, OSError) as error:
        said = str(error).partition("\n")[0]
        raise UnreachableError("stored content is out of reach at the moment", where=said) from error
