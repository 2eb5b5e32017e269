"""Plaintext for buyers, out of stored parts: opened segment by segment when it is asked for, and kept nowhere but in memory.

Satisfies gateway.ports.Contents. What lies on the disk is what storage hosts have, encrypted where it is sold.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Protocol, Self, TypeAlias

from reconciler.content.cache import PartCache
from reconciler.model.errors import StateError, UnreachableError, VerificationError
from reconciler.model.ids import Digest
from reconciler.wire.documents import PublishedContent, RecordDocument, StoredPart
from reconciler.wire.sealed_content import KnownContent, known_content, sold_layout
from reconciler.wire.stream_cipher import SEGMENT, TAG, SegmentCipher

SMALL: Final = 8 << 20
"""Bytes up to which content is kept in memory once it was asked for."""
HOT: Final = 64 << 20
"""Bytes of all that is kept there."""

Seed: TypeAlias = Callable[[], Awaitable[bytes]]
"""The content seed, as the live root's sealed document has it. Raises StateError."""


class Library:
    """The contents of one producer, by the documents of its records."""

    def __init__(self, cache: PartCache, *, seed: Seed, hot: int = HOT) -> None:
        self._cache = cache
        self._seed = seed
        self._known_seed = b""
        self._hot = _Hot(hot)

    async def known(self, document: RecordDocument) -> KnownContent | None:
        """See gateway.ports.Contents."""
        if document.content is None:
            return None
        seed = b""
        if document.content.key_commitment is not None:
            seed = self._known_seed = self._known_seed or await self._seed()
        try:
            return known_content(document, seed)
        except VerificationError as error:
            raise StateError(
                f"the content of {document.id} cannot be opened: {error}", where=str(document.id)
            ) from error

    async def read(self, content: KnownContent, start: int, stop: int) -> Plaintext:
        """See gateway.ports.Contents. Pieces are as long as a segment, but for the first and the last."""
        if not 0 <= start <= stop <= content.size:
            raise ValueError(f"bytes {start} to {stop} are not in a content of {content.size}")
        pieces = self._pieces(content, start, stop)
        return Plaintext(await anext(pieces, b""), pieces)

    async def _pieces(self, content: KnownContent, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """One segment is given out while the next one is opened; two are in memory."""
        wanted = range(start // SEGMENT, -(-stop // SEGMENT))
        opening = _Opening(self._cache, self._hot, content, wanted)
        try:
            for segment in wanted:
                data = await opening.take(segment)
                low, high = max(start - segment * SEGMENT, 0), min(stop - segment * SEGMENT, len(data))
                yield data if high - low == len(data) else data[low:high]
        finally:
            await opening.end()


class Plaintext:
    """Plaintext whose beginning is at hand. To be closed."""

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes, None]) -> None:
        self._first = first
        self._rest = rest

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next piece. Raises UnreachableError where it is not to be had any more."""
        first, self._first = self._first, b""
        return first or await anext(self._rest)

    async def aclose(self) -> None:
        """Nothing more is wanted."""
        self._first = b""
        await self._rest.aclose()


class _Opening:
    """Segments on their way out of the cache, one ahead of who takes them."""

    def __init__(self, cache: PartCache, hot: _Hot, content: KnownContent, wanted: range) -> None:
        self._cache = cache
        self._hot = hot
        self._name = content.published.digest
        self._is_small = content.size <= SMALL
        self._content = content
        self._wanted = wanted
        self._lazy_form: _Form | None = None
        self._ahead: asyncio.Future[bytes] | None = None

    async def take(self, segment: int) -> bytes:
        """The plaintext of a wanted segment; they are taken in order. Raises UnreachableError."""
        ahead, self._ahead = self._ahead, None
        data = self._hot.get(self._name, segment) if ahead is None else await ahead
        if data is None:
            data = await self._opened(segment)
        if segment + 1 in self._wanted and self._hot.get(self._name, segment + 1) is None:
            self._ahead = asyncio.ensure_future(self._opened(segment + 1))
        return data

    async def end(self) -> None:
        """Nothing more is wanted."""
        if self._ahead is not None:
            self._ahead.cancel()
            with suppress(asyncio.CancelledError, UnreachableError):  # it was read ahead, for nobody as it turns out
                await self._ahead

    @property
    def _form(self) -> _Form:
        """Made only where something is to be opened: a cipher costs more than what is in memory already."""
        if self._lazy_form is None:
            key, published = self._content.key, self._content.published
            self._lazy_form = _Free(published) if key is None else _Sold(published, key)
        return self._lazy_form

    async def _opened(self, segment: int) -> bytes:
        places = self._form.places(segment)
        stored = [await self._cache.read(self._part(place), place.start, place.size) for place in places]
        self._announce(places)
        try:
            data = await asyncio.to_thread(self._form.open, segment, b"".join(stored))
        except VerificationError as error:
            for place in places:
                await self._cache.drop(self._part(place))
            raise UnreachableError(f"what was kept here was damaged, and is fetched anew: {error}") from error
        if self._is_small:
            self._hot.put(self._name, segment, data)
        return data

    def _announce(self, places: Sequence[_Place]) -> None:
        """At the beginning of a part have the next one brought in, if that will be wanted."""
        following = places[-1].part + 1
        if places[-1].start == 0 and following <= self._form.places(self._wanted[-1])[-1].part:
            self._cache.begin(self._content.published.parts[following])

    def _part(self, place: _Place) -> StoredPart:
        return self._content.published.parts[place.part]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where stored bytes lie."""

    part: int
    start: int
    size: int


class _Form(Protocol):
    """How plaintext is cut, and made from what is stored."""

    def places(self, segment: int) -> Sequence[_Place]:
        """Where a segment's stored bytes lie, in order."""
        ...

    def open(self, segment: int, stored: bytes) -> bytes:
        """Its plaintext. Raises VerificationError."""
        ...


class _Sold:
    """Satisfies _Form."""

    def __init__(self, content: PublishedContent, key: bytes) -> None:
        self._cipher = SegmentCipher(key, sold_layout(content, key))

    def places(self, segment: int) -> Sequence[_Place]:
        layout = self._cipher.layout
        return [_Place(*layout.place(segment), layout.segment_size(segment) + TAG)]

    def open(self, segment: int, stored: bytes) -> bytes:
        return self._cipher.open(segment, stored)


class _Free:
    """Satisfies _Form: as it is, in parts of any size."""

    def __init__(self, content: PublishedContent) -> None:
        self._ends = [*accumulate(part.size for part in content.parts)]
        self._starts = [0, *self._ends]

    def places(self, segment: int) -> Sequence[_Place]:
        start, stop = segment * SEGMENT, min((segment + 1) * SEGMENT, self._ends[-1])
        first, last = bisect_right(self._ends, start), bisect_right(self._ends, stop - 1)
        return [
            _Place(part, max(start, begin) - begin, min(stop, end) - max(start, begin))
            for part in range(first, last + 1)
            for begin, end in [(self._starts[part], self._ends[part])]
        ]

    def open(self, segment: int, stored: bytes) -> bytes:
        start = segment * SEGMENT
        if len(stored) != min(SEGMENT, self._ends[-1] - start):
            raise VerificationError(f"the bytes from {start} on are not whole")
        return stored


class _Hot:
    """The segments of small contents that were last asked for, in bounded memory."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._segments: OrderedDict[tuple[Digest, int], bytes] = OrderedDict()

    def get(self, name: Digest, segment: int) -> bytes | None:
        """A segment of a content."""
        data = self._segments.get((name, segment))
        if data is not None:
            self._segments.move_to_end((name, segment))
        return data

    def put(self, name: Digest, segment: int, data: bytes) -> None:
        """Keep it, and let go of what was not asked for longest."""
        self._size += len(data) - len(self._segments.pop((name, segment), b""))
        self._segments[(name, segment)] = data
        while self._size > self._limit:
            _, dropped = self._segments.popitem(last=False)
            self._size -= len(dropped)
