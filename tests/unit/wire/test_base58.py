from __future__ import annotations

import pytest
from bsv.base58 import base58check_decode, base58check_encode
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.wire.base58 import decode_check, encode_check


@given(st.binary(min_size=2, max_size=2), st.binary(min_size=32, max_size=32))
def test_prefix_and_payload_come_back(prefix, payload):
    assert decode_check(encode_check(prefix, payload), prefix=2, payload=32) == (prefix, payload)


@given(st.binary(max_size=80))
@example(b"")
@example(bytes(3))
@example(bytes(2) + b"\x01")
def test_the_sdk_writes_the_same_and_reads_it(data):
    text = encode_check(b"", data)
    assert text == base58check_encode(data)
    assert decode_check(text, prefix=0, payload=len(data)) == (b"", base58check_decode(text))


@given(st.text(alphabet="123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0OIl +/", max_size=12))
def test_the_sdk_refuses_what_is_refused(text):
    try:
        expected = base58check_decode(text)
    except ValueError:
        with pytest.raises(ValueError, match="checksum"):
            decode_check(text, prefix=0, payload=0)
    else:
        assert decode_check(text, prefix=0, payload=len(expected)) == (b"", expected)


@given(st.text(max_size=60))
def test_other_text_is_only_ever_a_value_error(text):
    with pytest.raises(ValueError):  # noqa: PT011 - whichever is wrong
        decode_check(text, prefix=2, payload=32)


def test_a_mistyped_letter_and_a_wrong_length_are_noticed():
    text = encode_check(b"\xce\x00", bytes(32))
    for wrong in (
        text[:-1] + ("1" if text[-1] != "1" else "2"),
        text[:-1],
        "1" + text,
        text + " ",
        "",
        "1" * 1_000_000,
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - whichever is wrong
            decode_check(wrong, prefix=2, payload=32)
    with pytest.raises(ValueError, match="34 bytes"):
        decode_check(text, prefix=1, payload=20)
