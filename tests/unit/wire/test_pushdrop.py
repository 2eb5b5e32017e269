from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.ids import identity_key
from reconciler.wire.pushdrop import PushDrop, lock, parse

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "pushdrop.json").read_text())
KEY = identity_key("02" + sha256(__name__.encode()).hexdigest())
LOST = {b"", *(bytes([value]) for value in range(17)), b"\x81"}

fields_of_tokens = st.lists(st.binary(max_size=300).filter(lambda field: field not in LOST), min_size=1, max_size=9)


@pytest.mark.parametrize("case", VECTORS["tokens"], ids=lambda case: case["keyID"])
def test_tokens_are_those_of_the_reference(case):
    fields = (*map(bytes.fromhex, case["fields"]), bytes.fromhex(case["signature"]))
    locking = bytes.fromhex(case["locking"])
    assert lock(identity_key(case["lockingKey"]), fields) == locking
    assert parse(locking) == PushDrop(identity_key(case["lockingKey"]), fields)


def test_small_numbers_are_written_as_the_reference_does_only_where_they_are_meant():
    case = VECTORS["numbers"]
    key = identity_key(case["lockingKey"])
    fields = (*map(bytes.fromhex, case["fields"]), bytes.fromhex(case["signature"]))
    assert lock(key, fields, numbers=True).hex() == case["locking"]
    assert parse(bytes.fromhex(case["locking"])) == PushDrop(key, fields)
    with pytest.raises(ValueError, match="field 0"):
        lock(key, fields)


@pytest.mark.parametrize("case", VECTORS["large"], ids=lambda case: str(case["size"]))
def test_large_fields_are_pushed_as_the_reference_does(case):
    field = bytes((index * 7 + case["seed"]) & 0xFF for index in range(case["size"]))
    locking = lock(identity_key(case["lockingKey"]), (field, bytes.fromhex(case["signature"])))
    assert sha256(locking).hexdigest() == case["lockingSha256"]


@given(fields_of_tokens)
def test_a_token_is_read_back_as_it_was_written(fields):
    assert parse(lock(KEY, fields)) == PushDrop(KEY, tuple(fields))


@given(st.binary(max_size=120))
def test_any_other_script_is_no_token(data):
    token = parse(data)
    assert token is None or lock(token.key, token.fields, numbers=True) == data


@given(fields_of_tokens, st.data())
def test_a_changed_script_is_no_token_or_a_different_one(fields, data):
    locking = bytearray(lock(KEY, fields))
    at = data.draw(st.integers(0, len(locking) - 1))
    locking[at] ^= data.draw(st.integers(1, 255))
    assert parse(bytes(locking)) != PushDrop(KEY, tuple(fields))


@pytest.mark.parametrize("field", sorted(LOST))
def test_a_field_that_readers_lose_is_never_written(field):
    with pytest.raises(ValueError, match="field 1"):
        lock(KEY, (b"fine", field))


@pytest.mark.parametrize("field", [b"", b"\x00", b"\x10"])
def test_not_even_as_a_number(field):
    with pytest.raises(ValueError, match="field 0"):
        lock(KEY, (field,), numbers=True)


def test_a_token_without_fields_is_refused():
    with pytest.raises(ValueError, match="at least one field"):
        lock(KEY, ())


@pytest.mark.parametrize(
    "script",
    [
        "",
        "21" + KEY,
        "21" + KEY + "ac",
        "21" + KEY + "ac" + "0411111111",  # no drop
        "21" + KEY + "ac" + "0411111111" + "6d",  # 2DROP for one field
        "21" + KEY + "ac" + "0411111111" + "7575",
        "21" + KEY + "ac" + "4c0411111111" + "75",  # not the shortest push
        "21" + KEY + "ac" + "0411111111" + "75" + "0411111111",
        "21" + KEY + "ad" + "0411111111" + "75",  # CHECKSIGVERIFY
        "21" + "05" + KEY[2:] + "ac" + "0411111111" + "75",
        "20" + KEY[2:] + "ac" + "0411111111" + "75",
        "0411111111" + "75" + "21" + KEY + "ac",  # lock after
        "21" + KEY + "ac" + "0511111111" + "75",  # cut short
    ],
)
def test_scripts_that_only_resemble_a_token_are_none(script):
    assert parse(bytes.fromhex(script)) is None


def test_a_script_with_very_many_fields_is_no_token_and_is_not_taken_apart():
    assert parse(lock(KEY, [b"ab"] * 90)) is not None
    assert parse(lock(KEY, [b"ab"] * 1000)) is None
