from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.errors import VerificationError
from reconciler.model.ids import identity_key
from reconciler.wire import script
from reconciler.wire.script import address, p2pkh, p2pkh_of_address, push, pushes, unlock_p2pkh, unlock_pushdrop
from reconciler.wire.transaction import parse_transaction

VECTORS = Path(__file__).parents[2] / "vectors"
ADDRESSES = json.loads((VECTORS / "derivation.json").read_text())["cases"]
SPENDING = json.loads((VECTORS / "spending.json").read_text())


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_what_is_pushed_is_read_back(items):
    assert pushes(b"".join(map(push, items)), most=1000) == tuple(items)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_script_or_a_verification_error(data):
    try:
        pushes(data, most=1000)
    except VerificationError as error:
        assert "too early" in error.message  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize("size", [1, 75, 76, 255, 256, 65535, 65536])
def test_pushes_take_the_shortest_form(size):
    overhead = 1 if size <= 75 else 2 if size <= 255 else 3 if size <= 65535 else 5
    data = b"\xaa" * size
    assert len(push(data)) == size + overhead
    assert pushes(push(data), most=1000) == (data,)


def test_small_numbers_are_pushed_by_an_opcode():
    assert [push(data).hex() for data in (b"", b"\x01", b"\x10", b"\x11", b"\x81", b"\x00")] == [
        "00",
        "51",
        "60",
        "0111",
        "4f",
        "0100",
    ]


def test_opcodes_stand_between_pushes_as_numbers():
    assert pushes(bytes.fromhex("76a902abcd88ac"), most=1000) == (0x76, 0xA9, b"\xab\xcd", 0x88, 0xAC)


@pytest.mark.parametrize("case", ADDRESSES, ids=lambda case: case["keyID"][:20])
def test_addresses_and_their_scripts_are_those_of_the_reference(case):
    key = identity_key(case["identity"])
    assert p2pkh(key).hex() == case["p2pkh"]
    assert address(key, mainnet=True) == case["addressMain"]
    assert address(key, mainnet=False) == case["addressTest"]
    assert p2pkh_of_address(case["addressMain"]) == p2pkh_of_address(case["addressTest"]) == p2pkh(key)


@pytest.mark.parametrize("text", ["", "1", "nonsense", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", "0" * 34, "1" * 5000])
def test_what_is_no_p2pkh_address_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the SDK words some of these
        p2pkh_of_address(text)


def test_unlocking_scripts_are_those_of_the_reference():
    token, money = map(bytes.fromhex, SPENDING["unlocking"])
    (token_signature,) = pushes(token, most=10)
    money_signature, key = pushes(money, most=10)
    assert token_signature[-1] == money_signature[-1] == script.SIGHASH
    assert unlock_pushdrop(token_signature[:-1]) == token
    assert unlock_p2pkh(money_signature[:-1], identity_key(key)) == money


def test_sizes_are_upper_bounds_that_the_largest_signature_reaches():
    key = identity_key(SPENDING["identity"])
    largest = bytes(script.MAX_SIGNATURE)
    around = 36 + 1 + 4  # outpoint, length of the script, sequence
    assert around + len(unlock_p2pkh(largest, key)) == script.P2PKH_INPUT == 148
    assert around + len(unlock_pushdrop(largest)) == script.PUSHDROP_INPUT == 114
    assert 8 + 1 + len(p2pkh(key)) == script.P2PKH_OUTPUT == 34
    transaction = parse_transaction(bytes.fromhex(SPENDING["transaction"]))
    sizes = [around + len(spent.unlocking) for spent in transaction.inputs]
    assert sizes[0] <= script.PUSHDROP_INPUT
    assert sizes[1] <= script.P2PKH_INPUT
    assert len(transaction.raw) == 4 + 1 + sum(sizes) + 1 + script.P2PKH_OUTPUT + 4
