from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.model.errors import VerificationError
from reconciler.model.ids import digest
from reconciler.wire.stream_cipher import (
    SEGMENT,
    SEGMENTS_PER_PART,
    TAG,
    Layout,
    Opening,
    SaltedDigest,
    SegmentCipher,
    content_key,
    key_commitment,
)

CASES = json.loads((Path(__file__).parents[2] / "vectors" / "content.json").read_text())["cases"]
SEED = sha256(__name__.encode()).digest()
KEY = content_key(SEED, "prices/btc", digest(sha256(b"plaintext").digest()))

lengths = st.integers(1, 400)
segment_sizes = st.integers(1, 70)
part_counts = st.integers(1, 4)
layouts = st.builds(Layout, lengths, segment_sizes, part_counts)


def filled(length: int) -> bytes:
    """Byte i is (7 i + (i >> 8)) mod 256, as in the vectors."""
    period = bytes((i * 7 + (i >> 8)) & 0xFF for i in range(min(length, 1 << 16)))
    return (period * (length // len(period) + 1))[:length]


def seal(layout: Layout, plaintext: bytes, key: bytes = KEY) -> list[bytes]:
    """The stored parts."""
    cipher = SegmentCipher(key, layout)
    segments = [
        cipher.seal(segment, plaintext[layout.offset(segment) :][: layout.segment_size(segment)])
        for segment in range(layout.segments)
    ]
    return [b"".join(segments[part : part + layout.per_part]) for part in range(0, len(segments), layout.per_part)]


def open_all(layout: Layout, pieces, key: bytes = KEY) -> bytes:
    opening = Opening(SegmentCipher(key, layout))
    plaintext = b"".join(segment for piece in pieces for segment in opening.feed(piece))
    opening.end()
    return plaintext


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['name']}-{case['length']}-{case['segmentSize']}")
def test_another_implementation_stores_the_same_bytes(case):
    plaintext = filled(case["length"])
    layout = Layout(case["length"], case["segmentSize"], case["segmentsPerPart"])
    assert sha256(plaintext).hexdigest() == case["plaintextSha256"]

    key = content_key(bytes.fromhex(case["seed"]), case["name"], case["plaintextSha256"])
    salted = SaltedDigest(key)
    salted.update(plaintext)
    parts = seal(layout, plaintext, key)

    assert key.hex() == case["contentKey"]
    assert key_commitment(key) == case["keyCommitment"]
    assert salted.value == case["saltedDigest"]
    assert [{"size": len(part), "sha256": sha256(part).hexdigest()} for part in parts] == case["parts"]
    assert [part["size"] for part in case["parts"]] == list(layout.part_sizes)
    if "stored" in case:
        assert [part.hex() for part in parts] == case["stored"]
    assert open_all(layout, parts, key) == plaintext


def test_the_vectors_reach_every_boundary():
    small = {case["length"] for case in CASES if case["segmentSize"] == 64}
    assert small >= {1, 63, 64, 65, 191, 192, 193}
    assert any(case["segmentSize"] == SEGMENT and len(case["parts"]) > 1 for case in CASES)


def test_the_standard_sizes_never_change():
    assert (SEGMENT, SEGMENTS_PER_PART, TAG) == (1024 * 1024, 64, 16)
    layout = Layout(64 * SEGMENT + 1)
    assert layout.part_sizes == (67_109_888, 17)


@given(layouts, st.integers(1, 90))
@example(Layout(1, 1, 1), 1)
@example(Layout(64, 64, 1), 7)
def test_what_was_sealed_opens_however_the_bytes_come(layout, chunk):
    plaintext = filled(layout.length)
    stored = b"".join(seal(layout, plaintext))
    pieces = [stored[start : start + chunk] for start in range(0, len(stored), chunk)]
    assert open_all(layout, pieces) == plaintext


@given(layouts)
def test_sizes_are_known_before_anything_is_sealed(layout):
    parts = seal(layout, filled(layout.length))
    assert [len(part) for part in parts] == list(layout.part_sizes)
    assert len(parts) == layout.parts
    assert sum(layout.part_sizes) == layout.sealed_length
    assert min(layout.part_sizes) > TAG  # a UHRP token can state no size of 16


@given(layouts, st.data())
def test_a_segment_opens_by_itself_from_its_place(layout, data):
    plaintext = filled(layout.length)
    parts = seal(layout, plaintext)
    segment = data.draw(st.integers(0, layout.segments - 1))
    part, offset = layout.place(segment)
    size = layout.segment_size(segment)
    opened = SegmentCipher(KEY, layout).open(segment, parts[part][offset : offset + size + TAG])
    assert opened == plaintext[layout.offset(segment) :][:size]


@given(layouts, st.data())
def test_a_part_opens_by_itself(layout, data):
    plaintext = filled(layout.length)
    part = data.draw(st.integers(0, layout.parts - 1))
    segments = layout.part_segments(part)
    opening = Opening(SegmentCipher(KEY, layout), segments)
    opened = b"".join(opening.feed(seal(layout, plaintext)[part]))
    opening.end()
    assert opened == plaintext[layout.offset(segments.start) : layout.offset(segments.stop)]


@given(layouts, st.data())
def test_any_flipped_bit_is_noticed(layout, data):
    stored = bytearray(b"".join(seal(layout, filled(layout.length))))
    bit = data.draw(st.integers(0, 8 * len(stored) - 1))
    stored[bit // 8] ^= 1 << bit % 8
    with pytest.raises(VerificationError, match="tampered"):
        open_all(layout, [bytes(stored)])


@given(layouts, st.data())
def test_content_cannot_be_cut_short(layout, data):
    stored = b"".join(seal(layout, filled(layout.length)))
    kept = data.draw(st.integers(0, len(stored) - 1))
    with pytest.raises(VerificationError):
        open_all(layout, [stored[:kept]])


@given(layouts, st.binary(min_size=1, max_size=100))
def test_content_cannot_be_made_longer(layout, more):
    stored = b"".join(seal(layout, filled(layout.length)))
    with pytest.raises(VerificationError, match="more stored bytes"):
        open_all(layout, [stored + more])


@given(st.integers(2, 6), st.integers(1, 40), st.data())
def test_segments_cannot_change_places(segments, size, data):
    layout = Layout(segments * size, size, 2)
    stored = b"".join(seal(layout, filled(layout.length)))
    pieces = [stored[start : start + size + TAG] for start in range(0, len(stored), size + TAG)]
    one, other = data.draw(st.lists(st.integers(0, segments - 1), min_size=2, max_size=2, unique=True))
    pieces[one], pieces[other] = pieces[other], pieces[one]
    with pytest.raises(VerificationError, match="tampered"):
        open_all(layout, pieces)


@given(st.integers(2, 4), st.integers(1, 40), st.integers(1, 3))
def test_parts_cannot_change_places(parts, size, per_part):
    layout = Layout(parts * per_part * size, size, per_part)
    stored = seal(layout, filled(layout.length))
    with pytest.raises(VerificationError, match="tampered"):
        open_all(layout, stored[::-1])


@given(layouts, layouts)
def test_another_length_or_segment_size_opens_nothing(layout, other):
    if (layout.length, layout.segment) == (other.length, other.segment):
        return
    with pytest.raises(VerificationError):
        open_all(other, seal(layout, filled(layout.length)))


def test_content_that_ends_at_a_segment_is_not_what_would_go_on_there():
    """The last segment is marked, so that the beginning of longer content is not itself content."""
    cipher = SegmentCipher(KEY, Layout(100, 10))
    first = cipher.seal(0, bytes(10))
    with pytest.raises(VerificationError):
        SegmentCipher(KEY, Layout(10, 10)).open(0, first)


def test_every_name_plaintext_and_seed_has_its_own_key():
    one, other = digest("11" * 32), digest("22" * 32)
    keys = {content_key(SEED, "a", one), content_key(SEED, "b", one), content_key(SEED, "a", other)}
    keys.add(content_key(bytes(32), "a", one))
    assert len(keys) == len({key_commitment(key) for key in keys}) == 4


def test_another_key_opens_nothing():
    layout = Layout(100, 10)
    with pytest.raises(VerificationError):
        open_all(layout, seal(layout, filled(100)), bytes(32))


def test_the_salted_digest_is_of_all_pieces_and_not_the_plain_one():
    whole, pieces = SaltedDigest(KEY), SaltedDigest(KEY)
    whole.update(b"plaintext")
    pieces.update(b"plain")
    pieces.update(b"text")
    assert whole.value == pieces.value != sha256(b"plaintext").hexdigest()


@pytest.mark.parametrize("length", [0, -1])
def test_empty_content_cannot_be_sealed(length):
    with pytest.raises(ValueError, match="empty"):
        Layout(length)


def test_there_are_no_more_segments_than_a_nonce_can_number():
    assert Layout(2**52).segments == 2**32
    with pytest.raises(ValueError, match="too long"):
        Layout(2**52 + 1)


def test_segments_and_parts_that_are_not_there_are_not_told_about():
    layout = Layout(100, 10, 3)
    for ask in (layout.segment_size, layout.part_segments, layout.part_size):
        for number in (-1, 10):
            with pytest.raises(IndexError):
                ask(number)


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_keys_and_seeds_of_other_sizes_are_refused(size):
    key = bytes(size)
    for use in (
        lambda: content_key(key, "a", digest("11" * 32)),
        lambda: key_commitment(key),
        lambda: SaltedDigest(key),
        lambda: SegmentCipher(key, Layout(1)),
    ):
        with pytest.raises(ValueError, match="32 bytes"):
            use()


def test_a_segment_of_the_wrong_length_is_not_sealed():
    with pytest.raises(ValueError, match="segment 0 has 10 bytes"):
        SegmentCipher(KEY, Layout(100, 10)).seal(0, bytes(9))
