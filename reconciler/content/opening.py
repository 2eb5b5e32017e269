"""From stored parts back to plaintext: downloaded from whoever has them, several at a time, verified, and only then in place."""

from __future__ import annotations

import asyncio
import functools
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Final, Protocol, runtime_checkable

from reconciler.content.partial import How, Partial, fresh, resuming
from reconciler.model.errors import OverlayError, RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import Digest
from reconciler.wire.documents import PublishedContent, StoredPart
from reconciler.wire.sealed_content import sold_layout
from reconciler.wire.stream_cipher import Opening, SaltedDigest, SegmentCipher

STEP: Final = 16 << 20
"""Bytes of free content after which a part that is on its way is noted: there is no end to how large one may be."""
PARALLEL: Final = 4
"""Parts that are downloaded at once; of each, one segment and one chunk are in memory."""
_READ: Final = 1 << 20


class PartSource(Protocol):
    """Somebody who may have stored parts, such as a storage host."""

    @property
    def url(self) -> str:
        """Who it is."""
        ...

    def download(self, sha256: Digest, *, size: int) -> AsyncIterator[bytes]:
        """The bytes with this hash; right only if the iteration ends without an error."""
        ...


@runtime_checkable
class PieceSource(PartSource, Protocol):
    """One that can begin in the middle."""

    def piece(self, sha256: Digest, *, size: int, start: int) -> AsyncIterator[bytes]:
        """The bytes from `start` on, of those that have this hash and size. Nobody has verified them."""
        ...


class PlainSource(Protocol):
    """Somebody who gives plaintext, such as the gateway that has sold it."""

    @property
    def url(self) -> str:
        """Who it is."""
        ...

    def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes of the content from `start` up to, but not with, `stop`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A source that did not give what was asked of it."""

    url: str
    part: int
    error: OverlayError

    @property
    def lied(self) -> bool:
        """Whether it gave other bytes: then it is asked for nothing more."""
        return isinstance(self.error, VerificationError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """A part has come, whole."""

    url: str
    part: int
    size: int
    """Stored bytes."""


def ignore(_: Fault | Came) -> None:
    """For whom it is all the same."""


async def open_content(
    content: PublishedContent,
    target: Path,
    *,
    key: bytes | None,
    sources: Sequence[PartSource],
    plain: Sequence[PlainSource] = (),
    resume: bool = False,
    progress: Callable[[int], None] = lambda _: None,
    tell: Callable[[Fault | Came], None] = ignore,
) -> None:
    """Write the plaintext of published content to `target`, which appears whole and verified, or not at all.

    Args:
        content: From the record's document.
        target: Overwritten if it is there; its folder exists.
        key: The content key; None for content that is free.
        sources: Each part is taken from the first that has it, another one first for the next part. One that gives other bytes
            is asked no more.
        plain: Asked for the plaintext of a part that no source gives.
        resume: Go on with the parts that an earlier call has left beside `target`, and leave those that came where this one
            fails.
        progress: Told the stored bytes that are here so far, those of an earlier call among them: of parts that were found
            right, and now and then of a large one that is on its way.
        tell: Told of each part that came, and of each source that failed.

    Raises:
        VerificationError: The key, the parts or the plaintext are not what the document says.
        RefusedError, UnreachableError: A part is to be had nowhere; the last source's error.
        LockedError: Another process downloads to the same target.
        StateError: `target` cannot be written.
    """
    form = _free(content) if key is None else _Sold(content, key)
    with resuming(target, content.digest) if resume else fresh(target) as partial:
        written = _Target(partial.file)
        work = _Download(
            parts=content.parts,
            form=form,
            partial=partial,
            target=written,
            sources=sources,
            plain=plain,
            progress=progress,
            tell=tell,
        )
        try:
            await work.run()
            if await asyncio.to_thread(form.digest, written.chunks(content.size)) != content.digest:
                raise _other(target, partial, plain)
        finally:
            await asyncio.to_thread(written.rest)


def _other(target: Path, partial: Partial, plain: Sequence[PlainSource]) -> VerificationError:
    """What to say of content that is not what was promised, of which nothing is kept that may be why."""
    by_word = [part for part, how in partial.done.items() if how is How.PLAIN]
    partial.forget(by_word or list(partial.done))
    if by_word:
        names = ", ".join(source.url for source in plain)
        return VerificationError(f"{names} gives other plaintext than the document names", where=str(target))
    return VerificationError("the content is not the one that its document names", where=str(target))


class _Form(Protocol):
    """How plaintext is made from stored bytes, and known to be right."""

    def offset(self, part: int) -> int:
        """Where a part's plaintext begins."""
        ...

    def extent(self, part: int) -> int:
        """How many bytes of plaintext a part has."""
        ...

    def feed(self, part: int) -> _Feed:
        """What takes in one part's stored bytes."""
        ...

    def proof(self, part: int) -> Digest | None:
        """What a part's plaintext hashes to, where that is known."""
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

    def extent(self, part: int) -> int:
        return sum(self._layout.segment_size(segment) for segment in self._layout.part_segments(part))

    def proof(self, part: int) -> None:  # noqa: ARG002 - none is known
        return None

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

    def extent(self, part: int) -> int:
        return self._content.parts[part].size

    def proof(self, part: int) -> Digest:
        return self._content.parts[part].sha256

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


@dataclass(slots=True, kw_only=True)
class _Download:
    """All parts of one content on their way into a file."""

    parts: Sequence[StoredPart]
    form: _Form
    partial: Partial
    target: _Target
    sources: Sequence[PartSource]
    plain: Sequence[PlainSource]
    progress: Callable[[int], None]
    tell: Callable[[Fault | Came], None]
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PARALLEL))
    liars: set[str] = field(default_factory=set)
    underway: dict[int, int] = field(default_factory=dict)
    done: int = 0

    async def run(self) -> None:
        for index in sorted(self.partial.done):
            if index >= len(self.parts):
                self.partial.forget([index])
            else:
                self._count(index)
        missing = [index for index in range(len(self.parts)) if index not in self.partial.done]
        tasks = [asyncio.ensure_future(self._part(index)) for index in missing]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)  # none may write after the file is closed

    async def _part(self, index: int) -> None:
        """From whoever has it: stored bytes first, and plaintext of him who gives it where nobody else does."""
        async with self.gate:
            failure: OverlayError = UnreachableError("there is nobody to download from")
            for url, how, bring in self._ways(index):
                if url in self.liars:
                    continue
                try:
                    await bring()
                except (VerificationError, RefusedError, UnreachableError) as error:
                    failure = self._failed(url, index, error)
                else:
                    await asyncio.to_thread(self.target.do, functools.partial(self.partial.note, index, how))
                    self._count(index)
                    self.tell(Came(url=url, part=index, size=self.parts[index].size))
                    return
            raise failure

    def _ways(self, index: int) -> Iterator[tuple[str, How, Callable[[], Awaitable[None]]]]:
        for turn in range(len(self.sources)):
            source = self.sources[(index + turn) % len(self.sources)]
            yield source.url, How.STORED, functools.partial(self._from, source, index)
        how = How.PLAIN if self.form.proof(index) is None else How.STORED
        for reader in self.plain:
            yield reader.url, how, functools.partial(self._read, reader, index)

    def _failed(self, url: str, index: int, error: OverlayError) -> OverlayError:
        self.underway.pop(index, None)
        fault = Fault(url=url, part=index, error=error)
        if fault.lied:
            self.liars.add(url)
        self.tell(fault)
        return error

    def _count(self, index: int) -> None:
        self.underway.pop(index, None)
        self.done += self.parts[index].size
        self.progress(self.done + sum(self.underway.values()))

    def _mark(self, index: int, at: int) -> None:
        """So many bytes of a part are on the disk."""
        self.partial.mark(index, at)
        self.underway[index] = at

    async def _from(self, source: PartSource, index: int) -> None:
        part = self.parts[index]
        if self.form.proof(index) is not None and isinstance(source, PieceSource):
            await self._pieces(index, source.url, lambda start: source.piece(part.sha256, size=part.size, start=start))
            return
        feed, at = self.form.feed(index), self.form.offset(index)
        async for chunk in source.download(part.sha256, size=part.size):
            at += await asyncio.to_thread(self._write, feed, chunk, at)
        feed.end()

    async def _read(self, source: PlainSource, index: int) -> None:
        begin = self.form.offset(index)
        stop = begin + self.form.extent(index)
        await self._pieces(index, source.url, lambda start: source.read(begin + start, stop))

    async def _pieces(self, index: int, url: str, bring: Callable[[int], AsyncIterator[bytes]]) -> None:
        """Plaintext of a part, from where an earlier call has ended. If that does not add up, it may be the disk's fault."""
        if self.partial.begun.get(index, 0):
            try:
                await self._rest(index, url, bring)
            except VerificationError:
                self.partial.forget([index])
            else:
                return
        await self._rest(index, url, bring)

    async def _rest(self, index: int, url: str, bring: Callable[[int], AsyncIterator[bytes]]) -> None:
        begin, proof, size = self.form.offset(index), self.form.proof(index), self.form.extent(index)
        at = marked = 0 if proof is None else min(self.partial.begun.get(index, 0), size)
        digest = await asyncio.to_thread(self.target.hashed, begin, at)
        async for chunk in bring(at):
            if at + len(chunk) > size:
                raise VerificationError(f"{url} gives more than it was asked for", where=url)
            digest.update(chunk)
            at += await asyncio.to_thread(self.target.write, chunk, begin + at)
            if proof is not None and at - marked >= STEP:
                await asyncio.to_thread(self.target.do, functools.partial(self._mark, index, at))
                self.progress(self.done + sum(self.underway.values()))
                marked = at
        if at != size or (proof is not None and digest.hexdigest() != proof):
            raise VerificationError(f"{url} gives other plaintext than the document names", where=url)

    def _write(self, feed: _Feed, chunk: bytes, at: int) -> int:
        """Write what a chunk tells of the plaintext; returns how many bytes that are."""
        written = 0
        for plaintext in feed.feed(chunk):
            written += self.target.write(plaintext, at + written)
        return written


class _Target:
    """A file that is written in several threads; one that comes too late, after a failure elsewhere, finds it at rest."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = Lock()
        self._rests = False

    def write(self, data: bytes, at: int) -> int:
        """All of `data`, at an offset; returns its length."""
        with self._lock:
            if self._rests:
                raise ValueError("the file is not written any more")
            self._file.seek(at)
            return self._file.write(data)

    def hashed(self, at: int, size: int) -> hashlib._Hash:
        """The hash of so many bytes from an offset on, to be gone on with."""
        digest = hashlib.sha256()
        while size:
            with self._lock:
                self._file.seek(at)
                chunk = self._file.read(min(size, _READ))
            if not chunk:
                break
            digest.update(chunk)
            at, size = at + len(chunk), size - len(chunk)
        return digest

    def do(self, work: Callable[[], None]) -> None:
        """Something with the file that nobody may write meanwhile."""
        with self._lock:
            if not self._rests:
                work()

    def rest(self) -> None:
        """Wait for whoever is at it: the file may be closed then, and is nobody's any more."""
        with self._lock:
            self._rests = True

    def chunks(self, size: int) -> Iterator[bytes]:
        """All that was written, cut to `size`."""
        self._file.truncate(size)
        self._file.seek(0)
        while chunk := self._file.read(_READ):
            yield chunk
