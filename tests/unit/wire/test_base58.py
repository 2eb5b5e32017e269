from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.wire.base58 import decode_check, encode_check


@given(st.binary(min_size=2, max_size=2), st.binary(min_size=32, max_size=32))
def test_prefix_and_payload_come_back(prefix, payload):
    assert decode_check(encode_check(prefix, payload), prefix=2, payload=32) == (prefix, payload)


@given(st.text(max_size=60))
def test_other_text_is_only_ever_a_value_error(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the SDK words it
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
        with pytest.raises(ValueError):  # noqa: PT011 - the SDK words it
            decode_check(wrong, prefix=2, payload=32)
    with pytest.raises(ValueError, match="34 bytes"):
        decode_check(text, prefix=1, payload=20)
