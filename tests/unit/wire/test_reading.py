from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.errors import VerificationError
from reconciler.wire.reading import Reading, varint


@given(st.integers(0, 2**64 - 1))
def test_a_varint_comes_back(value):
    reading = Reading(varint(value), "it")
    assert reading.varint() == value
    reading.end()


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00"),
        (0xFC, "fc"),
        (0xFD, "fdfd00"),
        (0xFFFF, "fdffff"),
        (0x10000, "fe00000100"),
        (2**32, "ff" + "0000000001000000"),
    ],
)
def test_a_varint_is_written_in_its_shortest_form(value, encoded):
    assert varint(value).hex() == encoded


def test_a_longer_varint_is_read_all_the_same():
    assert Reading(bytes.fromhex("fd0500"), "it").varint() == 5


@given(st.binary(max_size=20), st.integers(0, 40))
def test_nothing_is_read_beyond_the_end(data, count):
    reading = Reading(data, "the letter")
    if count <= len(data):
        assert reading.take(count) == data[:count]
        assert reading.rest() == data[count:]
        assert reading.remaining == 0
    else:
        with pytest.raises(VerificationError, match=f"the letter ends {count - len(data)} bytes too early"):
            reading.take(count)
        assert reading.position == 0


def test_a_count_that_cannot_follow_is_refused_before_anything_is_read():
    with pytest.raises(VerificationError, match="announces 65535 items, but only 2 bytes follow"):
        Reading(bytes.fromhex("fdffff0000"), "it").count(1)


def test_bytes_left_over_are_an_error():
    reading = Reading(b"ab", "it")
    reading.take(1)
    with pytest.raises(VerificationError, match="1 bytes too many"):
        reading.end()
