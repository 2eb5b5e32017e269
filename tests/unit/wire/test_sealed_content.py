from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from reconciler.model.errors import VerificationError
from reconciler.model.ids import digest
from reconciler.wire.documents import PublishedContent, StoredPart
from reconciler.wire.sealed_content import SealedContent, sold_layout
from reconciler.wire.stream_cipher import Layout, key_commitment
from reconciler.wire.uhrp import url_of

KEY = sha256(__name__.encode()).digest()
LAYOUT = Layout(64 * 1024 * 1024 + 5)


def part(number: int, size: int) -> StoredPart:
    name = digest(sha256(bytes([number])).digest())
    return StoredPart(url_of(name), name, size)


PARTS = tuple(part(number, size) for number, size in enumerate(LAYOUT.part_sizes))
SEALED = SealedContent(
    layout=LAYOUT,
    salted=digest("11" * 32),
    key_commitment=key_commitment(KEY),
    parts=PARTS,
    tags=bytes(range(64)) + bytes(16 * 61),
)


def test_a_document_shows_no_plain_hash_and_no_tags():
    assert SEALED.published("text/csv") == PublishedContent(
        digest=SEALED.salted,
        size=LAYOUT.length,
        media_type="text/csv",
        parts=PARTS,
        key_commitment=key_commitment(KEY),
    )


def test_tags_are_by_segment():
    assert SEALED.tag(2) == bytes(range(32, 48))


@pytest.mark.parametrize("wrong", [{"parts": PARTS[:1]}, {"parts": PARTS[::-1]}, {"tags": bytes(16)}])
def test_what_does_not_belong_together_is_refused(wrong):
    with pytest.raises(ValueError, match=r"parts are not|bytes of tags"):
        replace(SEALED, **wrong)


def test_a_document_of_sold_content_tells_its_layout_to_who_has_the_key():
    assert sold_layout(SEALED.published("text/csv"), KEY) == LAYOUT


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"key_commitment": None}, "not sealed"),
        ({"key_commitment": digest("22" * 32)}, "not the one"),
        ({"size": 0}, "size is wrong"),
        ({"size": LAYOUT.length + 1}, "parts are not"),
        ({"size": 2**50}, "parts are not"),
        ({"parts": PARTS[::-1]}, "parts are not"),
        ({"parts": ()}, "parts are not"),
    ],
)
def test_a_document_that_cannot_be_right_is_refused_before_anything_is_downloaded(wrong, says):
    with pytest.raises(VerificationError, match=says):
        sold_layout(replace(SEALED.published("text/csv"), **wrong), KEY)
