"""Grants: leave to download one good, which nobody else's and nothing else's text gives."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.gateway.grants import Grant, parse_grant
from reconciler.model.errors import RefusedError
from reconciler.model.ids import Digest, RecordId
from reconciler.model.keys import GRANT_KEY, QUOTE_KEY
from reconciler.wallet.keys import Keys

NOW = 1_800_000_000
RECORD = RecordId.parse("dataset/prices/btc")
RECEIPT = Digest(hashlib.sha256(b"receipt").hexdigest())


def sealed_by(name: str, key=GRANT_KEY):
    keys = Keys(hashlib.sha256(name.encode()).digest())
    return lambda data: keys.mac(key, data)


SEAL = sealed_by("gateway")
GRANT = Grant(RECEIPT, RECORD, NOW + 60)


def refused(text, record=RECORD, seal=SEAL, now=NOW):
    with pytest.raises(RefusedError) as caught:
        parse_grant(text, record, seal=seal, now=now)
    assert caught.value.code == "403"
    return caught.value.message


def test_a_grant_is_read_back_as_it_was_given():
    text = GRANT.text(SEAL)
    assert parse_grant(text, RECORD, seal=SEAL, now=NOW) == GRANT
    assert len(text) == 91
    assert text.replace("-", "").replace("_", "").isalnum()


def test_it_ends_when_its_time_is_up():
    text = GRANT.text(SEAL)
    assert parse_grant(text, RECORD, seal=SEAL, now=NOW + 59.9)
    assert refused(text, now=NOW + 60) == "the grant has expired"


def test_it_is_for_one_good_by_one_gateway_and_no_quote_of_it():
    text = GRANT.text(SEAL)
    refused(text, record=RecordId.parse("dataset/prices/eth"))
    refused(text, seal=sealed_by("another gateway"))
    refused(text, seal=sealed_by("gateway", QUOTE_KEY))


def test_no_bit_of_it_can_be_changed():
    data = bytearray(base64.urlsafe_b64decode(GRANT.text(SEAL) + "="))
    for place in range(len(data)):
        changed = data.copy()
        changed[place] ^= 1
        refused(base64.urlsafe_b64encode(changed).decode().rstrip("="))


def test_there_is_one_way_to_write_it():
    text = GRANT.text(SEAL)
    assert len(base64.urlsafe_b64decode(text + "=")) == 68
    last = text[-1]
    same = chr(ord(last) + 1)  # the last digit's lowest bits say nothing
    for other in (text + "=", text[:-1], text[:-1] + same, text.replace("-", "+"), f" {text[1:]}", text[:-1] + "é"):
        if other != text:
            refused(other)


@given(
    st.text(max_size=100)
    | st.binary(min_size=68, max_size=68).map(lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="))
)
def test_what_others_make_up_is_refused(text):
    refused(text)
