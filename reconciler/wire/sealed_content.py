"""Content as its producer and its gateway know it, and as its document shows it. PROTOCOL §6."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest, digest
from reconciler.model.json import Json
from reconciler.wire.documents import PublishedContent, RecordDocument, StoredPart
from reconciler.wire.sealing import open_record
from reconciler.wire.stream_cipher import TAG, Layout, content_key, key_commitment


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedContent:
    """What sealing a plaintext once has told about its stored form. There is no key in it."""

    layout: Layout
    salted: Digest
    """SHA-256 of salt and plaintext."""
    key_commitment: Digest
    parts: tuple[StoredPart, ...]
    tags: bytes = field(repr=False)
    """Of all segments, 16 bytes each: by these a file that changes later is noticed before a byte of it is sent."""

    def __post_init__(self) -> None:
        if tuple(part.size for part in self.parts) != self.layout.part_sizes:
            raise ValueError(f"the parts are not those of a content of {self.layout.length} bytes")
        if len(self.tags) != self.layout.segments * TAG:
            raise ValueError(f"{self.layout.segments} segments have {self.layout.segments * TAG} bytes of tags")

    def tag(self, segment: int) -> bytes:
        """Of one segment."""
        return self.tags[segment * TAG : (segment + 1) * TAG]

    def published(self, media_type: str) -> PublishedContent:
        """What the dataset's document says of it."""
        return PublishedContent(
            digest=self.salted,
            size=self.layout.length,
            media_type=media_type,
            parts=self.parts,
            key_commitment=self.key_commitment,
        )


def sold_layout(content: PublishedContent, key: bytes) -> Layout:
    """How published content that is sold is cut.

    Raises VerificationError where it is not sold, `key` is not its key, or its parts are not those of a content of its size.
    """
    if content.key_commitment is None:
        raise VerificationError("the content is not sealed, and has no key")
    if key_commitment(key) != content.key_commitment:
        raise VerificationError("the key is not the one that the content's document commits to")
    try:
        layout = Layout(content.size)
    except ValueError as error:
        raise VerificationError(f"the content's size is wrong: {error}") from error
    # Counted first: the sizes of very many parts would have to be made up for a document that has none of them.
    if len(content.parts) != layout.parts or tuple(part.size for part in content.parts) != layout.part_sizes:
        raise VerificationError(f"the parts are not those of a content of {content.size} bytes")
    return layout


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownContent:
    """Published content, with what only the content seed tells of it: its key, and the plain hash, which nobody else is shown."""

    published: PublishedContent
    sha256: Digest
    """Of the plaintext."""
    key: bytes | None = field(repr=False)
    """The content key, 32 bytes; None where the content is free."""

    @property
    def is_sold(self) -> bool:
        """Whether its key has a price."""
        return self.key is not None

    @property
    def size(self) -> int:
        """Bytes of plaintext."""
        return self.published.size


def known_content(document: RecordDocument, seed: bytes) -> KnownContent | None:
    """The content of a record, told by its document and the producer's content seed; None where it has none.

    Raises VerificationError where the document is not one that was made with this seed.
    """
    published = document.content
    if published is None:
        return None
    if published.key_commitment is None:
        if sum(part.size for part in published.parts) != published.size:
            raise VerificationError(f"the parts are not those of a content of {published.size} bytes")
        return KnownContent(published=published, sha256=published.digest, key=None)
    if document.sealed is None:
        raise VerificationError(f"the document of {document.id} says nothing of what it sells")
    sha256 = _plain_digest(open_record(seed, document.id, document.sealed).get("content"))
    key = content_key(seed, document.id.name, sha256)
    sold_layout(published, key)
    return KnownContent(published=published, sha256=sha256, key=key)


def _plain_digest(content: Json) -> Digest:
    match content:
        case Mapping():
            value = content.get("sha256")
            if isinstance(value, str):
                try:
                    return digest(value)
                except ValueError as error:
                    raise VerificationError(f"what is sealed of the content is wrong: {error}") from error
    raise VerificationError("what is sealed of the content does not name its hash")
