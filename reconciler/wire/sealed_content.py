"""Sold content, as its producer remembers it and as its document shows it. PROTOCOL §6."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest
from reconciler.wire.documents import PublishedContent, StoredPart
from reconciler.wire.stream_cipher import TAG, Layout, key_commitment


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
