from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.ids import AdProtocol, identity_key
from reconciler.model.keys import KeyRef, ad_key
from reconciler.wallet.keys import Keys
from reconciler.wire import pushdrop
from reconciler.wire.advertisement import (
    AdToken,
    check,
    lock,
    locking_size,
    name_fault,
    parse,
    preimage,
    signed_fields,
)
from reconciler.wire.derivation import public_child
from reconciler.wire.transaction import Transaction, TxOutput

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "advertisement.json").read_text())
KEYS = Keys(sha256(__name__.encode()).digest())
TOKEN = AdToken(AdProtocol.SHIP, KEYS.identity, "https://data.example.com", "tm_data_prices")


def token_of(case) -> AdToken:
    return AdToken(AdProtocol(case["protocol"]), identity_key(case["identity"]), case["url"], case["name"])


def forged(*fields: bytes, key: KeyRef = TOKEN.key) -> bytes:
    return pushdrop.lock(public_child(KEYS.identity, key), (*fields, KEYS.sign(key, b"".join(fields))))


@pytest.mark.parametrize("case", VECTORS["tokens"], ids=lambda case: f"{case['name']} {case['url']}"[:60])
def test_tokens_are_those_that_the_reference_makes(case):
    token = token_of(case)
    assert [field.hex() for field in signed_fields(token)] == case["fields"]
    assert public_child(token.identity, token.key) == case["lockingKey"]
    assert parse(bytes.fromhex(case["locking"])) == token


def test_the_script_of_an_origin_is_the_references_to_the_byte():
    origins = [case for case in VECTORS["tokens"] if case["url"].startswith("https://")]
    assert len(origins) >= 4
    for case in origins:
        assert lock(token_of(case), bytes.fromhex(case["signature"])).hex() == case["locking"]


@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: case["why"])
def test_what_trackers_refuse_is_refused(case):
    with pytest.raises(VerificationError):
        parse(bytes.fromhex(case["locking"]))


@given(
    st.sampled_from([*zip(AdProtocol, ("tm_", "ls_"), strict=True)]),
    st.from_regex(r"[a-z]{1,9}(_[a-z]{1,9}){0,3}", fullmatch=True),
    st.from_regex(r"https://[a-z]{1,20}\.example(:8[0-9]{3})?", fullmatch=True),
)
@settings(max_examples=30)
def test_a_signed_token_is_read_back_as_it_was_made_and_is_no_longer_than_said(protocol, words, url):
    made = AdToken(protocol[0], KEYS.identity, url, protocol[1] + words)
    locking = lock(made, KEYS.sign(made.key, preimage(made)))
    assert parse(locking) == made
    assert locking_size(made) - 3 <= len(locking) <= locking_size(made)


@pytest.mark.parametrize(
    ("protocol", "name", "sound"),
    [
        (AdProtocol.SHIP, "tm_ship", True),
        (AdProtocol.SLAP, "ls_slap", True),
        (AdProtocol.SHIP, "tm_" + "a" * 47, True),
        (AdProtocol.SHIP, "tm_" + "a" * 48, False),
        (AdProtocol.SHIP, "ls_ship", False),
        (AdProtocol.SLAP, "tm_slap", False),
        (AdProtocol.SHIP, "tm_", False),
        (AdProtocol.SHIP, "tm_a__b", False),
        (AdProtocol.SHIP, "tm_a_", False),
        (AdProtocol.SHIP, "tm_btc2", False),
        (AdProtocol.SHIP, "tm_Btc", False),
        (AdProtocol.SHIP, "tm_a-b", False),
        (AdProtocol.SHIP, "tm_a\n", False),
        (AdProtocol.SHIP, "", False),
    ],
)
def test_names_are_words_with_the_protocols_prefix(protocol, name, sound):
    assert (name_fault(protocol, name) is None) is sound
    with contextlib.nullcontext() if sound else pytest.raises(ValueError, match="the name"):
        replace(TOKEN, protocol=protocol, name=name)


def test_scripts_of_other_kinds_are_no_advertisements():
    fields = signed_fields(TOKEN)
    for script in (
        b"",
        b"\x6a",
        b"\x51",
        pushdrop.lock(KEYS.identity, (b"DLM1", *fields)),
        forged(b"ship", *fields[1:]),
    ):
        assert parse(script) is None


def test_each_thing_that_can_be_wrong_with_a_token_is_refused():
    mark, identity, url, name = signed_fields(TOKEN)
    stranger = Keys(sha256(b"stranger").digest())
    assert parse(forged(mark, identity, url, name)) == TOKEN
    for script in (
        forged(mark, identity, url),
        forged(mark, identity, url, name, b"more"),
        forged(mark, b"\x05" + identity[1:], url, name),
        forged(mark, b"\x02" + b"\xff" * 32, url, name),
        forged(mark, bytes.fromhex(stranger.identity), url, name),
        forged(mark, identity, b"http://data.example.com", name),
        forged(mark, identity, b"http://localhost:8080", name),
        forged(mark, identity, b"\xff\xfe", name),
        forged(mark, identity, url, b"tm_\xff"),
        forged(mark, identity, url, b"ls_data_prices"),
        forged(b"SLAP", identity, url, name),
        forged(b"SLAP", identity, url, b"ls_data_prices"),
        forged(mark, identity, url, name, key=ad_key(AdProtocol.SLAP)),
        lock(TOKEN, KEYS.sign(TOKEN.key, b"something else")),
        lock(TOKEN, b"no signature"),
        lock(TOKEN, stranger.sign(TOKEN.key, preimage(TOKEN))),
    ):
        with pytest.raises(VerificationError):
            parse(script)


@given(st.data())
@settings(max_examples=60)
def test_a_token_with_a_changed_byte_is_refused_or_no_token(data):
    locking = bytearray(lock(TOKEN, KEYS.sign(TOKEN.key, preimage(TOKEN))))
    locking[data.draw(st.integers(0, len(locking) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(VerificationError):
        assert parse(bytes(locking)) is None


def test_a_token_is_found_in_its_output_and_holds_one_satoshi():
    locking = lock(TOKEN, KEYS.sign(TOKEN.key, preimage(TOKEN)))
    outputs = (TxOutput(Satoshis(5), b"\x51"), TxOutput(Satoshis(1), locking), TxOutput(Satoshis(2), locking))
    transaction = Transaction((), outputs)
    assert check(transaction, 1) == TOKEN
    for vout, words in ((0, "is no advertisement"), (2, "holds 2"), (3, "has no output"), (-1, "has no output")):
        with pytest.raises(VerificationError, match=words):
            check(transaction, vout)


def test_toy_networks_advertise_this_machine_and_others_do_not():
    local = replace(TOKEN, url="http://gateway.embedded")
    signature = KEYS.sign(local.key, preimage(local))
    assert parse(lock(local, signature, plain_http=True), plain_http=True) == local
    with pytest.raises(VerificationError, match="of this machine"):
        parse(lock(local, signature, plain_http=True))
    with pytest.raises(ValueError, match="of this machine"):
        lock(local, signature)


@pytest.mark.parametrize("url", ["https://data.example.com/", "https+rtt://data.example.com", "wss://data.example.com"])
def test_what_is_admitted_from_others_is_not_always_made(url):
    token = replace(TOKEN, url=url)
    signature = KEYS.sign(token.key, preimage(token))
    with pytest.raises(ValueError, match="is not an origin"):
        lock(token, signature)
    assert parse(forged(*signed_fields(token))) == token
