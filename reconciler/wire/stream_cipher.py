"""Sold content as it is stored: keys, segments, parts, and the hashes that stand in its document. PROTOCOL §6.

docs/content-format.md says the same for other implementations. Everything follows from the content seed, the dataset's name
and the plaintext, so that sealing twice gives the same bytes; a key is never used for two plaintexts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest, digest

SEGMENT: Final = 1 << 20
"""Plaintext bytes that are encrypted at once."""
SEGMENTS_PER_PART: Final = 64
"""So that a part holds 64 MiB of plaintext."""
TAG: Final = 16
"""Bytes by which a segment grows."""

_KEY: Final = 32
_MAX_SEGMENTS: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Layout:
    """How a plaintext of `length` bytes is cut; the last segment and the last part are as long as is left.

    Only tests and vectors use other sizes than the standard ones. Raises ValueError for an empty plaintext, which would be
    stored as 16 bytes, and those no UHRP token can state (WIRE §4.3); every other part has 17 bytes or more.
    """

    length: int
    segment: int = SEGMENT
    """Plaintext bytes of a segment."""
    per_part: int = SEGMENTS_PER_PART
    """Segments of a part."""

    def __post_init__(self) -> None:
        if self.length < 1 or self.segment < 1 or self.per_part < 1:
            raise ValueError("empty content cannot be sealed")
        if self.segments > _MAX_SEGMENTS:
            raise ValueError(f"content of {self.length} bytes is too long to be sealed")

    @property
    def segments(self) -> int:
        """How many there are in the whole content."""
        return -(-self.length // self.segment)

    @property
    def parts(self) -> int:
        """How many there are."""
        return -(-self.segments // self.per_part)

    @property
    def part_sizes(self) -> tuple[int, ...]:
        """Stored bytes of each part."""
        return tuple(map(self.part_size, range(self.parts)))

    @property
    def sealed_length(self) -> int:
        """Stored bytes of all parts together."""
        return self.length + self.segments * TAG

    def offset(self, segment: int) -> int:
        """Where a segment begins in the plaintext."""
        return segment * self.segment

    def segment_size(self, segment: int) -> int:
        """Plaintext bytes of one segment. Raises IndexError."""
        if not 0 <= segment < self.segments:
            raise IndexError(f"there is no segment {segment} of {self.segments}")
        return min(self.segment, self.length - self.offset(segment))

    def part_segments(self, part: int) -> range:
        """The segments that one part holds. Raises IndexError."""
        if not 0 <= part < self.parts:
            raise IndexError(f"there is no part {part} of {self.parts}")
        return range(part * self.per_part, min((part + 1) * self.per_part, self.segments))

    def part_size(self, part: int) -> int:
        """Stored bytes of one part."""
        segments = self.part_segments(part)
        plain = min(self.offset(segments.stop), self.length) - self.offset(segments.start)
        return plain + len(segments) * TAG

    def place(self, segment: int) -> tuple[int, int]:
        """The part that holds a segment, and where its stored bytes begin in that part."""
        part, nth = divmod(segment, self.per_part)
        return part, nth * (self.segment + TAG)


def content_key(seed: bytes, dataset: str, plaintext: Digest) -> bytes:
    """The 32 bytes that are sold: of one plaintext (its SHA-256) under one name. Raises ValueError for another seed's size."""
    if len(seed) != _KEY:
        raise ValueError(f"a content seed has {_KEY} bytes, not {len(seed)}")
    return _derived(seed, f"overlay-content-v1 | {dataset} | {digest(plaintext)}")


def key_commitment(key: bytes) -> Digest:
    """By which a buyer sees that a key is the published content's."""
    return digest(sha256(b"overlay-key" + _checked(key)).digest())


class SaltedDigest:
    """SHA-256 over a salt and a plaintext that comes in pieces: a plain hash would let anyone guess small content."""

    def __init__(self, key: bytes) -> None:
        self._hash = sha256(_derived(_checked(key), "salt"))

    def update(self, plaintext: bytes) -> None:
        """Take in the next piece."""
        self._hash.update(plaintext)

    @property
    def value(self) -> Digest:
        """Of all pieces so far."""
        return Digest(self._hash.hexdigest())


class SegmentCipher:
    """Seals and opens the segments of one content, each for itself, in any order.

    Used for one plaintext only: the nonces are the segments' numbers.
    """

    def __init__(self, key: bytes, layout: Layout) -> None:
        """`key` is the content key."""
        self.layout = layout
        info = f"overlay-stream-v1 | {layout.segment} | {layout.length}"
        self._aes = AESGCM(_derived(_checked(key), info))

    def seal(self, segment: int, plaintext: bytes) -> bytes:
        """The stored bytes of a segment: ciphertext, then tag. Raises ValueError where the plaintext has another length."""
        if len(plaintext) != self.layout.segment_size(segment):
            raise ValueError(f"segment {segment} has {self.layout.segment_size(segment)} bytes, not {len(plaintext)}")
        return self._aes.encrypt(self._nonce(segment), plaintext, None)

    def open(self, segment: int, stored: bytes) -> bytes:
        """The plaintext of a segment. Raises VerificationError for any other bytes than `seal` gave for this segment."""
        try:
            return self._aes.decrypt(self._nonce(segment), stored, None)
        except InvalidTag as error:
            raise VerificationError(f"segment {segment} was tampered with, or is for another key or place") from error

    def _nonce(self, segment: int) -> bytes:
        """Of STREAM: that a segment is the last one is part of it, so that content cannot be cut short or made longer."""
        return bytes(7) + segment.to_bytes(4, "big") + bytes([segment == self.layout.segments - 1])


class Opening:
    """Opens consecutive segments, whose stored bytes come in pieces of any size. Holds one segment at most, and a piece."""

    def __init__(self, cipher: SegmentCipher, segments: range | None = None) -> None:
        """`segments` are those to come, for example of one part; all of them, if not given."""
        self._cipher = cipher
        self._left = iter(range(cipher.layout.segments) if segments is None else segments)
        self._next = next(self._left, None)
        self._buffer = bytearray()

    def feed(self, stored: bytes) -> Iterator[bytes]:
        """The plaintext that can be told with these bytes. Raises VerificationError as soon as a segment is wrong."""
        self._buffer += stored
        while self._next is not None:
            size = self._cipher.layout.segment_size(self._next) + TAG
            if len(self._buffer) < size:
                return
            segment = bytes(memoryview(self._buffer)[:size])
            del self._buffer[:size]
            yield self._cipher.open(self._next, segment)
            self._next = next(self._left, None)
        if self._buffer:
            raise VerificationError("there are more stored bytes than the content has")

    def end(self) -> None:
        """Raises VerificationError unless every segment has come."""
        if self._next is not None:
            raise VerificationError(f"the stored bytes end before segment {self._next} is whole")


def _derived(key: bytes, info: str) -> bytes:
    return HKDF(SHA256(), length=_KEY, salt=None, info=info.encode()).derive(key)


def _checked(key: bytes) -> bytes:
    if len(key) != _KEY:
        raise ValueError(f"a content key has {_KEY} bytes, not {len(key)}")
    return key
