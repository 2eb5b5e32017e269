"""From files to the stored form of sold content, in constant memory: once to know its parts, again to send them.

A file may be edited between the two. Two plaintexts under one key and nonce would give both away to whoever stores them, so
the first pass tells nobody anything before the whole plaintext's hash was right, and the second compares the tag of every
segment with the first's before it lets go of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from hashlib import sha256 as new_sha256
from io import BufferedReader

from reconciler.content.sources import Plaintext, changed, opened
from reconciler.model.ids import Digest
from reconciler.wire.documents import StoredPart
from reconciler.wire.sealed_content import SealedContent
from reconciler.wire.stream_cipher import TAG, Layout, SaltedDigest, SegmentCipher, key_commitment
from reconciler.wire.uhrp import url_of


async def seal(
    plaintext: Plaintext,
    *,
    key: bytes,
    sha256: Digest,
    layout: Layout,
    progress: Callable[[int], None] = lambda _: None,
) -> SealedContent:
    """The first pass over content that is to be sold.

    Args:
        plaintext: The files.
        key: Its content key, which was made from `sha256`.
        sha256: What the files must hash to, one after the other.
        layout: How it is cut; its length is that of all of them.
        progress: Told the plaintext bytes that were read so far.

    Raises:
        StalePlanError: The files are not what was planned any more.
    """
    paths = await plaintext.files()
    with opened(paths) as file:
        first = _FirstPass(file, key, layout)
        for part in range(layout.parts):
            # One part at a time: a fraction of a second, after which the event loop may say to stop.
            if not await asyncio.to_thread(first.seal_part, part):
                raise changed(paths)
            progress(min(layout.offset((part + 1) * layout.per_part), layout.length))
        if file.read(1) or first.sha256 != sha256:
            raise changed(paths)
    return first.result()


@dataclass(frozen=True, slots=True)
class SealedFile:
    """Sold content as hosts keep it: encrypted again whenever its parts are asked for. Satisfies content.sources.Stored."""

    plaintext: Plaintext
    key: bytes = field(repr=False)
    sealed: SealedContent

    @property
    def parts(self) -> tuple[StoredPart, ...]:
        """Of the ciphertext."""
        return self.sealed.parts

    async def chunks(self, part: int) -> AsyncIterator[bytes]:
        """See Stored: the segments of one part. Raises StalePlanError instead of giving out one that is not as it was."""
        layout = self.sealed.layout
        cipher = SegmentCipher(self.key, layout)
        segments = layout.part_segments(part)
        paths = await self.plaintext.files()
        with opened(paths) as file:
            file.seek(layout.offset(segments.start))
            for segment in segments:
                stored = await asyncio.to_thread(_sealed, cipher, segment, file)
                if stored is None or stored[-TAG:] != self.sealed.tag(segment):
                    raise changed(paths)
                yield stored


def _sealed(cipher: SegmentCipher, segment: int, file: BufferedReader) -> bytes | None:
    """The next segment of a file, sealed; None where the file ends before it."""
    plaintext = _read(cipher.layout, segment, file)
    return None if plaintext is None else cipher.seal(segment, plaintext)


def _read(layout: Layout, segment: int, file: BufferedReader) -> bytes | None:
    plaintext = file.read(layout.segment_size(segment))
    return plaintext if len(plaintext) == layout.segment_size(segment) else None


class _FirstPass:
    """Reads a file from its beginning, part by part, and keeps hashes and tags."""

    def __init__(self, file: BufferedReader, key: bytes, layout: Layout) -> None:
        self._file = file
        self._key = key
        self._layout = layout
        self._cipher = SegmentCipher(key, layout)
        self._plain = new_sha256()
        self._salted = SaltedDigest(key)
        self._parts: list[StoredPart] = []
        self._tags = bytearray()

    @property
    def sha256(self) -> Digest:
        """Of the plaintext so far."""
        return Digest(self._plain.hexdigest())

    def seal_part(self, part: int) -> bool:
        """Take in the next part; False where the file ends before it."""
        stored = new_sha256()
        for segment in self._layout.part_segments(part):
            plaintext = _read(self._layout, segment, self._file)
            if plaintext is None:
                return False
            self._plain.update(plaintext)
            self._salted.update(plaintext)
            sealed = self._cipher.seal(segment, plaintext)
            stored.update(sealed)
            self._tags += sealed[-TAG:]
        digest = Digest(stored.hexdigest())
        self._parts.append(StoredPart(url_of(digest), digest, self._layout.part_size(part)))
        return True

    def result(self) -> SealedContent:
        """What is known after the last part."""
        return SealedContent(
            layout=self._layout,
            salted=self._salted.value,
            key_commitment=key_commitment(self._key),
            parts=tuple(self._parts),
            tags=bytes(self._tags),
        )
