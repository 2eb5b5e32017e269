from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from reconciler.model.errors import VerificationError
from reconciler.model.ids import IdentityKey, RecordId, digest
from reconciler.wire.documents import PublishedContent, RecordDocument, StoredPart
from reconciler.wire.sealed_content import KnownContent, SealedContent, known_content, sold_layout
from reconciler.wire.sealing import seal_record
from reconciler.wire.stream_cipher import Layout, content_key, key_commitment
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


SEED = sha256(b"seed").digest()
RECORD = RecordId.parse("dataset/prices/btc")
PLAIN = digest(sha256(b"plaintext").digest())


def document(content, sealed, record=RECORD):
    box = None if sealed is None else seal_record(SEED, record, sealed, bytes(12))
    return RecordDocument(IdentityKey("02" + "11" * 32), record, {}, content, box)


def sold(**wrong):
    key = content_key(SEED, RECORD.name, PLAIN)
    return replace(SEALED.published("text/csv"), **{"key_commitment": key_commitment(key), **wrong})


def test_who_has_the_seed_knows_the_key_and_the_plain_hash_of_what_is_sold():
    known = known_content(document(sold(), {"content": {"sha256": PLAIN, "size": LAYOUT.length}}), SEED)
    key = content_key(SEED, RECORD.name, PLAIN)
    assert known == KnownContent(published=sold(), sha256=PLAIN, key=key)
    assert known.is_sold
    assert known.size == LAYOUT.length
    assert key.hex() not in repr(known)
    assert repr(key) not in repr(known)


def test_free_content_is_known_by_its_document_alone():
    free = PublishedContent(PLAIN, 12, "text/csv", (part(1, 5), part(2, 7)))
    known = known_content(document(free, None), bytes(32))
    assert known == KnownContent(published=free, sha256=PLAIN, key=None)
    assert not known.is_sold
    with pytest.raises(VerificationError, match="parts are not those"):
        known_content(document(replace(free, size=13), None), bytes(32))


def test_a_record_without_content_has_none():
    assert known_content(document(None, {"note": 1}), SEED) is None


@pytest.mark.parametrize(
    ("content", "sealed", "says"),
    [
        (sold(), None, "says nothing of what it sells"),
        (sold(), {"note": 1}, "does not name its hash"),
        (sold(), {"content": {"sha256": 7}}, "does not name its hash"),
        (sold(), {"content": {"sha256": "AB"}}, "is wrong"),
        (sold(), {"content": {"sha256": "00" * 32}}, "is not the one that the content's document commits to"),
        (sold(parts=PARTS[:1]), {"content": {"sha256": PLAIN}}, "parts are not those"),
    ],
)
def test_a_document_that_was_not_made_with_this_seed_is_refused(content, sealed, says):
    with pytest.raises(VerificationError, match=says):
        known_content(document(content, sealed), SEED)


def test_another_seed_opens_nothing():
    with pytest.raises(VerificationError, match="another key"):
        known_content(document(sold(), {"content": {"sha256": PLAIN}}), bytes(32))
