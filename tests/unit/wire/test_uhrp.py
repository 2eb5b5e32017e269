from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from bsv.keys import PrivateKey
from bsv.wallet.key_deriver import Counterparty, CounterpartyType, KeyDeriver, Protocol
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.ids import digest, identity_key
from reconciler.model.keys import UHRP_KEY
from reconciler.wire import pushdrop
from reconciler.wire.derivation import public_child
from reconciler.wire.transaction import Transaction, TxOutput
from reconciler.wire.uhrp import (
    UhrpToken,
    check,
    digest_of,
    location_fault,
    lock,
    parse,
    preimage,
    signed_fields,
    url_of,
)

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "uhrp.json").read_text())
ROOT = PrivateKey(sha256(__name__.encode()).digest())
HOST = identity_key(ROOT.public_key().serialize())
TOKEN = UhrpToken(HOST, digest("ab" * 32), "https://storage.example/ab", 1767225600, 1000)


def sign(data: bytes) -> bytes:
    key = KeyDeriver(ROOT).derive_private_key(
        Protocol(2, UHRP_KEY.protocol), UHRP_KEY.key_id, Counterparty(CounterpartyType.ANYONE)
    )
    return key.sign(data, lambda message: sha256(message).digest())


def forged(*fields: bytes) -> bytes:
    signed = fields[:5]
    return pushdrop.lock(public_child(HOST, UHRP_KEY), (*signed, sign(b"".join(signed))), numbers=True)


@pytest.mark.parametrize("case", VECTORS["urls"], ids=lambda case: case["sha256"][:8])
def test_urls_are_those_of_the_reference(case):
    assert url_of(digest(case["sha256"])) == case["url"]
    for prefix in ("", "uhrp:", "uhrp://", "UHRP://", "//"):
        assert digest_of(prefix + case["url"]) == case["sha256"]


@given(st.binary(min_size=32, max_size=32).map(digest))
def test_a_url_gives_back_its_hash(content):
    assert digest_of("uhrp://" + url_of(content)) == content


@given(st.text(max_size=60))
def test_other_text_is_only_ever_a_value_error(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the SDK words some of these
        digest_of(text)


@pytest.mark.parametrize(
    "url", [*VECTORS["bad"], "", "uhrp:uhrp:" + VECTORS["urls"][0]["url"], " " + VECTORS["urls"][0]["url"]]
)
def test_urls_that_the_reference_refuses_are_refused(url):
    with pytest.raises(ValueError):  # noqa: PT011 - the SDK words some of these
        digest_of(url)


@pytest.mark.parametrize("case", VECTORS["tokens"], ids=lambda case: str(case["size"]))
def test_tokens_are_those_that_the_reference_makes(case):
    made = UhrpToken(identity_key(case["identity"]), digest(case["sha256"]), case["url"], case["expires"], case["size"])
    assert [field.hex() for field in signed_fields(made)] == case["fields"]
    assert lock(made, bytes.fromhex(case["signature"])).hex() == case["locking"]
    assert parse(bytes.fromhex(case["locking"])) == made


@given(st.integers(1, 2**53 - 1).filter(lambda n: n != 16), st.integers(1, 2**53 - 1).filter(lambda n: n != 16))
@settings(max_examples=30)
def test_a_signed_token_is_read_back_as_it_was_made(expires, size):
    made = replace(TOKEN, expires=expires, size=size)
    assert parse(lock(made, sign(preimage(made)))) == made


@pytest.mark.parametrize("size", [0, 16])
def test_contents_that_cannot_be_advertised_are_refused_with_the_way_out(size):
    with pytest.raises(ValueError, match=f"{size} bytes cannot be advertised by UHRP: pad it"):
        replace(TOKEN, size=size)


@pytest.mark.parametrize("change", [{"size": -1}, {"size": 2**53}, {"expires": 0}, {"expires": 16}, {"expires": 2**64}])
def test_numbers_out_of_range_are_refused(change):
    with pytest.raises(ValueError, match="not a"):
        replace(TOKEN, **change)


def test_scripts_of_other_kinds_are_no_uhrp_tokens():
    fields = signed_fields(TOKEN)
    for script in (b"", b"\x6a", pushdrop.lock(HOST, fields), pushdrop.lock(HOST, (b"DLM1", *fields))):
        assert parse(script) is None


def test_each_thing_that_can_be_wrong_with_a_token_is_refused():
    host, content, url, expires, size = signed_fields(TOKEN)
    assert parse(forged(host, content, url, expires, size)) == TOKEN
    for fields in (
        (b"\x05" + host[1:], content, url, expires, size),
        (b"\x02" + b"\xff" * 32, content, url, expires, size),
        (host, content, b"http://storage.example/ab", expires, size),
        (host, content, b"\xff\xfe", expires, size),
        (host, content, url, expires + b"\x00", size),
        (host, content, url, expires, b"\xfd\xe8"),
        (host, content, url, expires, b"\xfd\x05\x00"),
        (host, content, url, expires, b"\xff" * 9),
    ):
        with pytest.raises(VerificationError):
            parse(forged(*fields))
    stranger = identity_key(PrivateKey(sha256(b"stranger").digest()).public_key().serialize())
    for locking in (lock(TOKEN, sign(b"something else")), lock(replace(TOKEN, host=stranger), sign(preimage(TOKEN)))):
        with pytest.raises(VerificationError, match="not locked and signed"):
            parse(locking)


@given(st.data())
@settings(max_examples=60)
def test_a_token_with_a_changed_byte_is_refused_or_no_token(data):
    locking = bytearray(lock(TOKEN, sign(preimage(TOKEN))))
    locking[data.draw(st.integers(0, len(locking) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(VerificationError):
        assert parse(bytes(locking)) is None


def test_a_token_is_found_in_its_output_whatever_that_holds():
    locking = lock(TOKEN, sign(preimage(TOKEN)))
    transaction = Transaction((), (TxOutput(Satoshis(5), b"\x51"), TxOutput(Satoshis(1000), locking)))
    assert check(transaction, 1) == TOKEN
    for vout, words in ((0, "is no UHRP token"), (2, "has no output"), (-1, "has no output")):
        with pytest.raises(VerificationError, match=words):
            check(transaction, vout)


@pytest.mark.parametrize(
    ("url", "everywhere", "toy"),
    [
        ("https://storage.example/a", True, True),
        ("https://storage.example:8443/a?b=c", True, True),
        ("http://storage.embedded/a", False, True),
        ("http://localhost:8080/a", False, True),
        ("http://127.0.0.1:8080/a", False, True),
        ("http://[::1]/a", False, True),
        ("http://storage.example/a", False, False),
        ("http://10.0.0.1/a", False, False),
        ("http://embedded/a", False, False),
        ("ftp://storage.example/a", False, False),
        ("https:///a", False, False),
        ("https://user@storage.example/a", False, False),
        ("https://storage.example:port/a", False, False),
        ("https://[::1/a", False, False),
        ("https://störage.example/a", False, False),
        ("https://storage.example/a b", False, False),
        ("https://storage.example/a\n", False, False),
        ("https://storage.example/" + "a" * 5000, False, False),
        ("", False, False),
    ],
)
def test_plain_http_is_for_this_machine_and_only_on_toy_networks(url, everywhere, toy):
    assert (location_fault(url, plain_http=False) is None) is everywhere
    assert (location_fault(url, plain_http=True) is None) is toy


def test_lock_and_parse_ask_the_same_of_a_url():
    local = replace(TOKEN, url="http://storage.embedded/ab")
    locking = lock(local, sign(preimage(local)), plain_http=True)
    assert parse(locking, plain_http=True) == local
    with pytest.raises(VerificationError, match="must be https"):
        parse(locking)
    with pytest.raises(ValueError, match="must be https"):
        lock(local, sign(preimage(local)))
