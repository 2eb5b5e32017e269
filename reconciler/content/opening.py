"""From stored parts back to plaintext: downloaded from whoever has them, several at a time, verified, and only then in place."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Final, Protocol

from reconciler.content.writing import appearing
from reconciler.model.errors import OverlayError, RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import Digest
from reconciler.wire.documents import PublishedContent, StoredPart
from reconciler.wire.sealed_content import sold_layout
from reconciler.wire.stream_cipher import Opening, SaltedDigest, SegmentCipher

PARALLEL: Final = 4
"""Parts that are downloaded at once; of each, one segment and one chunk are in memory."""
_READ: Final = 1 << 20


class PartSource(Protocol):
    """Somebody who may have stored parts: a storage host, or content.fetching.Anywhere."""

    def download(self, sha256: Digest, *, size: int) -> AsyncIterator[bytes]:
        """The bytes with this hash; right only if the iteration ends without an error."""
        ...


async def open_content(
    content: PublishedContent,
    target: Path,
    *,
    key: bytes | None,
    sources: Sequence[PartSource],
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Write the plaintext of published content to `target`, which appears whole and verified, or not at all.

    Args:
        content: From the record's document.
        target: Overwritten if it is there; its folder exists.
        key: The content key; None for content that is free.
        sources: Each part is taken from the first that has it, another one first for the next part.
        progress: Told the stored bytes that were read and found right so far.

    Raises:
        VerificationError: The key, the parts or the plaintext are not what the document says.
        RefusedError, UnreachableError: A part is to be had nowhere; the last source's error.
        StateError: `target` cannot be written.
    """
    form = _free(content) if key is None else _Sold(content, key)
    with appearing(target) as file:
        written = _Target(file)
        await _Download(content.parts, form, written, sources, progress).run()
        if await asyncio.to_thread(form.digest, written.chunks()) != content.digest:
            raise VerificationError("the content is not the one that its document names", where=str(target))


class _Form(Protocol):
    """How plaintext is made from stored bytes, and known to be right."""

    def offset(self, part: int) -> int:
        """Where a part's plaintext begins."""
        ...

    def feed(self, part: int) -> _Feed:
        """What takes in one part's stored bytes."""
        ...

    def digest(self, plaintext: Iterable[bytes]) -> Digest:
        """The plaintext's, as the document has it."""
        ...


class _Feed(Protocol):
    def feed(self, stored: bytes) -> Iterator[bytes]: ...

    def end(self) -> None: ...


class _Sold:
    """Satisfies _Form."""

    def __init__(self, content: PublishedContent, key: bytes) -> None:
        self._layout = sold_layout(content, key)
        self._key = key

    def offset(self, part: int) -> int:
        return self._layout.offset(self._layout.part_segments(part).start)

    def feed(self, part: int) -> Opening:
        # A cipher of its own: parts are opened in several threads.
        return Opening(SegmentCipher(self._key, self._layout), self._layout.part_segments(part))

    def digest(self, plaintext: Iterable[bytes]) -> Digest:
        digest = SaltedDigest(self._key)
        for chunk in plaintext:
            digest.update(chunk)
        return digest.value


def _free(content: PublishedContent) -> _Free:
    if content.key_commitment is not None:
        raise VerificationError("the content is sealed, and there is no key")
    if sum(part.size for part in content.parts) != content.size:
        raise VerificationError(f"the parts are not those of a content of {content.size} bytes")
    return _Free(content)


class _Free:
    """Satisfies _Form."""

    def __init__(self, content: PublishedContent) -> None:
        self._content = content

    def offset(self, part: int) -> int:
        return sum(earlier.size for earlier in self._content.parts[:part])

    def feed(self, part: int) -> _AsItIs:  # noqa: ARG002 - all are alike
        return _AsItIs()

    def digest(self, plaintext: Iterable[bytes]) -> Digest:
        digest = hashlib.sha256()
        for chunk in plaintext:
            digest.update(chunk)
        return Digest(digest.hexdigest())


class _AsItIs:
    """Satisfies _Feed: whoever downloads has counted and hashed the bytes."""

    def feed(self, stored: bytes) -> Iterator[bytes]:
        yield stored

    def end(self) -> None:
        pass


class _Download:
    """All parts of one content on their way into a file."""

    def __init__(
        self,
        parts: Sequence[StoredPart],
        form: _Form,
        target: _Target,
        sources: Sequence[PartSource],
        progress: Callable[[int], None],
    ) -> None:
        self._parts = parts
        self._form = form
        self._target = target
        self._sources = sources
        self._progress = progress
        self._gate = asyncio.Semaphore(PARALLEL)
        self._done = 0

    async def run(self) -> None:
        tasks = [asyncio.ensure_future(self._part(index)) for index in range(len(self._parts))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)  # none may write after the file is closed

    async def _part(self, index: int) -> None:
        async with self._gate:
            failure: OverlayError = UnreachableError("there is nobody to download from")
            for turn in range(len(self._sources)):
                try:
                    await self._from(self._sources[(index + turn) % len(self._sources)], index)
                except (VerificationError, RefusedError, UnreachableError) as error:
                    failure = error
                else:
                    self._done += self._parts[index].size
                    self._progress(self._done)
                    return
            raise failure

    async def _from(self, source: PartSource, index: int) -> None:
        part, feed, at = self._parts[index], self._form.feed(index), self._form.offset(index)
        async for chunk in source.download(part.sha256, size=part.size):
            at += await asyncio.to_thread(self._write, feed, chunk, at)
        feed.end()

    def _write(self, feed: _Feed, chunk: bytes, at: int) -> int:
        """Write what a chunk tells of the plaintext; returns how many bytes that are."""
        written = 0
        for plaintext in feed.feed(chunk):
            written += self._target.write(plaintext, at + written)
        return written


class _Target:
    """A file that is written in several threads; one that comes too late, after a failure elsewhere, finds it closed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = Lock()

    def write(self, data: bytes, at: int) -> int:
        """All of `data`, at an offset; returns its length."""
        with self._lock:
            self._file.seek(at)
            return self._file.write(data)

    def chunks(self) -> Iterator[bytes]:
        """All that was written."""
        self._file.seek(0)
        while chunk := self._file.read(_READ):
            yield chunk
