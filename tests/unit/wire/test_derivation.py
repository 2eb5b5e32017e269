from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.ids import identity_key
from reconciler.model.keys import FUNDING_KEY, KeyRef
from reconciler.wire.derivation import is_point, public_child, verify

CASES = json.loads((Path(__file__).parents[2] / "vectors" / "derivation.json").read_text())["cases"]
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
GOOD_KEY, GOOD_DATA, GOOD_SIGNATURE = CASES[0]["child"], bytes.fromhex(CASES[0]["data"]), CASES[0]["signature"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['protocol']} {case['keyID'][:20]}")
def test_anyone_derives_the_key_that_the_owner_uses_and_it_signed(case):
    child = public_child(identity_key(case["identity"]), KeyRef(case["protocol"], case["keyID"], "anyone"))
    assert child == case["child"]
    assert verify(child, bytes.fromhex(case["data"]), bytes.fromhex(case["signature"]))
    assert not verify(child, bytes.fromhex(case["data"]) + b".", bytes.fromhex(case["signature"]))
    assert not verify(identity_key(case["identity"]), bytes.fromhex(case["data"]), bytes.fromhex(case["signature"]))


def test_keys_towards_others_cannot_be_derived_by_anyone():
    with pytest.raises(ValueError, match="only its owner"):
        public_child(identity_key(GOOD_KEY), FUNDING_KEY)


def test_an_owner_that_is_no_point_of_the_curve_is_refused():
    with pytest.raises(ValueError, match="public key"):
        public_child(identity_key("02" + "ff" * 32), KeyRef("data catalog record", "producer", "anyone"))
    assert not is_point(identity_key("02" + "ff" * 32))
    assert is_point(identity_key(GOOD_KEY))
    assert not verify(identity_key("02" + "ff" * 32), GOOD_DATA, bytes.fromhex(GOOD_SIGNATURE))


@given(st.binary(max_size=80))
def test_a_malformed_signature_is_just_not_valid(signature):
    assert not verify(identity_key(GOOD_KEY), GOOD_DATA, signature)


@given(st.data())
def test_a_signature_with_any_byte_changed_is_not_valid(data):
    signature = bytearray.fromhex(GOOD_SIGNATURE)
    signature[data.draw(st.integers(0, len(signature) - 1))] ^= data.draw(st.integers(1, 255))
    assert not verify(identity_key(GOOD_KEY), GOOD_DATA, bytes(signature))


def test_the_same_signature_with_high_s_or_trailing_bytes_is_not_valid():
    signature = bytes.fromhex(GOOD_SIGNATURE)
    r_end = 4 + signature[3]
    s = int.from_bytes(signature[r_end + 2 :], "big")
    high = (ORDER - s).to_bytes(33, "big")
    body = signature[2:r_end] + b"\x02\x21" + high
    assert not verify(identity_key(GOOD_KEY), GOOD_DATA, bytes([0x30, len(body)]) + body)
    assert not verify(identity_key(GOOD_KEY), GOOD_DATA, signature + b"\x00")
