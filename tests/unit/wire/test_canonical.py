"""Canonical JSON and deterministic CBOR: one value, one spelling; everything else is refused, however it is built."""

from __future__ import annotations

import contextlib

import cbor2
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.errors import VerificationError
from reconciler.wire.canonical import (
    MAX_BYTES,
    MAX_DEPTH,
    canonical_cbor,
    canonical_json,
    parse_canonical,
    parse_cbor,
    parse_json,
    sha256_hex,
)

SAFE = 2**53 - 1
texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers(-SAFE, SAFE) | st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not SAFE < abs(number) < 1e21
)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
cbor_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | texts | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts | st.binary(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_canonical_json_is_read_back_as_the_value_it_was_written_from(value):
    data = canonical_json(value)
    assert parse_canonical(data) == value
    assert canonical_json(parse_canonical(data)) == data


@given(json_values)
def test_canonical_json_is_what_a_reference_writes(value):
    assert canonical_json(value) == rfc8785.dumps(value)


def test_texts_and_keys_of_all_characters_are_what_a_reference_writes():
    everything = [*range(0xD800), *range(0xE000, 0x11000), *range(0x1F5FF, 0x1F605), 0x10FFFF]
    texts = [chr(each) for each in everything]
    assert canonical_json(texts) == rfc8785.dumps(texts)
    assert canonical_json(dict.fromkeys(texts)) == rfc8785.dumps(dict.fromkeys(texts))
    plain = {chr(each): chr(each) for each in range(128)}
    assert canonical_json(plain) == rfc8785.dumps(plain)


@pytest.mark.parametrize(
    "value", [{1: 2}, {None: 1}, {True: 1}, {"a": {1.5: 1}}, "\ud800", {"\ud800": 1}, {"a": "\udfff"}]
)
def test_keys_that_are_no_texts_and_half_characters_have_no_form(value):
    with pytest.raises(ValueError, match=r".+"):
        canonical_json(value)


@given(st.binary(max_size=64) | st.text(max_size=64).map(lambda text: text.encode(errors="surrogatepass")))
def test_bytes_that_are_not_canonical_json_are_only_ever_a_verification_error(data):
    try:
        value = parse_canonical(data)
    except VerificationError:
        return
    assert canonical_json(value) == data


def test_the_example_of_rfc_8785_comes_out_as_the_rfc_prints_it():
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 1e-27],
        "string": '\u20ac$\u000f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    assert canonical_json(value).decode() == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_keys_are_sorted_by_utf16_code_units():
    assert canonical_json({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'{"a":1,"a":1}',
        b'{"b":1,"a":1}',
        b'{"a": 1}',
        b"[1.0]",
        b"[1e2]",
        b"[-0]",
        b"[NaN]",
        b"[Infinity]",
        b"[1e400]",
        b"[9007199254740992]",
        b"[-9007199254740992]",
        b"[" + b"9" * 5000 + b"]",
        b'"\\ud800"',
        b'{"\\ud800":1}',
        b'"\\u0041"',
        b'"\xff"',
        b"\xef\xbb\xbf1",
        b"1 ",
        b"1\n",
        b"[1]]",
        b'{"a":1}{"a":1}',
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
        b"[" * (MAX_DEPTH + 1) + b"1" + b"]" * (MAX_DEPTH + 1),
    ],
)
def test_json_that_another_reader_could_understand_differently_is_refused(data):
    with pytest.raises(VerificationError):
        parse_canonical(data)


def test_json_may_be_nested_up_to_the_limit():
    data = b"[" * MAX_DEPTH + b"1" + b"]" * MAX_DEPTH
    assert canonical_json(parse_canonical(data)) == data


def test_a_document_above_the_size_limit_is_refused_before_it_is_parsed():
    for parse in (parse_canonical, parse_cbor):
        with pytest.raises(VerificationError, match="more than"):
            parse(b"[" * (MAX_BYTES + 1))


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**53, -(2**53), 2.0**53, "\ud800", {"\ud800": 1}, {1: 2}, b"", {1}, object()]
)
def test_what_has_no_canonical_form_cannot_be_written(value):
    with pytest.raises(ValueError):  # noqa: PT011 - three libraries word it, each in its own way
        canonical_json([value])


def test_json_from_other_programs_may_be_spelt_freely_but_not_ambiguously():
    assert parse_json(b' {"b": 1.0, "a": [] } ', "it") == {"a": [], "b": 1.0}
    assert parse_json(b'["\\ud83d\\ude00"]', "it") == ["\N{GRINNING FACE}"]
    for data in (b'{"a":1,"a":2}', b"NaN", b"[" * 100_000, b"\xff", b'["\\uD800"]', b'{"\\udfff":1}'):
        with pytest.raises(VerificationError, match="it is not JSON"):
            parse_json(data, "it")


@given(cbor_values)
def test_cbor_is_read_back_as_the_value_it_was_written_from(value):
    assert parse_cbor(canonical_cbor(value)) == value


@given(st.binary(max_size=64))
def test_bytes_that_are_not_our_cbor_are_only_ever_a_verification_error(data):
    try:
        value = parse_cbor(data)
    except VerificationError:
        return
    assert canonical_cbor(value) == data


@given(cbor_values, st.data())
def test_cbor_with_one_byte_changed_is_another_value_or_refused(value, data):
    encoded = bytearray(canonical_cbor(value))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(VerificationError):
        assert canonical_cbor(parse_cbor(bytes(encoded))) == encoded


@pytest.mark.parametrize(
    "data",
    [
        "",
        "0000",  # two items
        "1800",  # zero in two bytes
        "5800",  # empty bytes with a long length
        "9f01ff",  # indefinite
        "5f4101ff",
        "a2616201616101",  # keys out of order
        "a2616101616101",  # a key twice
        "a10101",  # an integer as a key
        "a1a0a0",
        "a1f601",
        "f90000",  # floats
        "f97e00",
        "fb3ff0000000000000",
        "f7",  # undefined
        "e0",  # a simple value
        "62c328",  # bad UTF-8
        "9b0000010000000000",  # lengths that lie
        "5b0000010000000000",
        "81" * 100_000,
        "81" * (MAX_DEPTH + 1) + "00",
    ],
)
def test_cbor_outside_the_deterministic_subset_is_refused(data):
    with pytest.raises(VerificationError):
        parse_cbor(bytes.fromhex(data))


@pytest.mark.parametrize("tag", [*range(64), 100, 256, 258, 260, 261, 1004, 43000, 55799, 2**32])
@pytest.mark.parametrize("content", [0, "(", b"\x01" * 9, [10**9, 1], []])
def test_no_tag_is_followed(tag, content):
    head = cbor2.dumps(tag)
    tagged = bytes([head[0] | 0xC0]) + head[1:] + cbor2.dumps(content)
    with pytest.raises(VerificationError):
        parse_cbor(tagged)


@pytest.mark.parametrize("value", [1.0, 2**64, {1: 2}, {None: 1}, object(), {1, 2}, "\ud800", bytearray(b"x")])
def test_cbor_of_other_types_cannot_be_written(value):
    with pytest.raises(ValueError):  # noqa: PT011 - cbor2 words some of these
        canonical_cbor([value])


def test_sha256_is_lower_case_hex():
    assert sha256_hex(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
