"""BRC-103/104 byte for byte: what the TypeScript SDK signs, and how JavaScript spells JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.errors import VerificationError
from reconciler.model.ids import IdentityKey
from reconciler.wallet.keys import Keys
from reconciler.wire.auth import (
    Empty,
    Stamp,
    handshake_key,
    handshake_preimage,
    request_preimage,
    response_preimage,
)
from reconciler.wire.canonical import parse_json
from reconciler.wire.certificate import Certificate
from reconciler.wire.conversation import Call, spelled
from reconciler.wire.javascript import javascript_json

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "auth.json").read_text())
CLIENT, SERVER = (Keys(bytes.fromhex(VECTORS[name])) for name in ("client", "server"))
HANDSHAKE = VECTORS["handshake"]


def stamp(request_id: str) -> Stamp:
    return Stamp(
        identity=CLIENT.identity,
        nonce=VECTORS["nonce"],
        your_nonce=HANDSHAKE["serverNonce"],
        request_id=request_id,
        signature=b"",
    )


def test_the_server_s_signature_of_a_handshake():
    nonces = HANDSHAKE["clientNonce"], HANDSHAKE["serverNonce"]
    signed, signature = handshake_preimage(*nonces), bytes.fromhex(HANDSHAKE["signature"])

    assert SERVER.sign(handshake_key(*nonces, CLIENT.identity), signed) == signature
    assert CLIENT.verify(handshake_key(*nonces, SERVER.identity), signed, signature)
    assert not CLIENT.verify(handshake_key(*reversed(nonces), SERVER.identity), signed, signature)


@pytest.mark.parametrize("vector", VECTORS["requests"], ids=lambda vector: f"{vector['method']} {vector['target']}")
def test_requests_are_signed_as_authfetch_signs_them(vector):
    sent = spelled(
        Call(
            method=vector["method"],
            target=vector["target"],
            headers=vector["headers"],
            body=vector["body"].encode(),
        )
    )
    said = stamp(vector["requestId"])
    signed = request_preimage(said, sent.method, sent.target, list(sent.headers.items()), sent.body)

    assert signed.hex() == vector["preimage"]
    assert CLIENT.sign(said.key(SERVER.identity), signed).hex() == vector["signature"]
    assert SERVER.verify(said.key(CLIENT.identity), signed, bytes.fromhex(vector["signature"]))


def test_an_answer_without_a_body_has_two_forms_and_one_with_a_body_has_one():
    said, headers = stamp(VECTORS["requests"][0]["requestId"]), [("x-bsv-a", "1"), ("content-type", "text/plain")]
    absent, zero = (response_preimage(said, 200, headers, b"", empty=empty) for empty in (Empty.ABSENT, Empty.ZERO))

    assert absent == zero[:-1] + b"\xff" * 9
    assert zero.endswith(b"\x07x-bsv-a\x011\x00")
    assert len({response_preimage(said, 200, headers, b"a", empty=empty) for empty in Empty}) == 1


@pytest.mark.parametrize(
    "headers",
    [
        [("x-bsv-a", "1"), ("x-bsv-a", "1")],
        [("content-type", "text/plain"), ("content-type", "text/plain")],
        [("x-bsv-a_b", "1")],
        [("x-bsv-ä", "1")],
    ],
)
def test_headers_that_two_readers_could_read_differently_are_refused(headers):
    with pytest.raises(VerificationError):
        request_preimage(stamp(VECTORS["requests"][0]["requestId"]), "GET", "/", headers, b"")


@given(st.lists(st.tuples(st.from_regex(r"x-bsv-[a-z0-9_.-]*|content-type|authorization", fullmatch=True), st.text())))
def test_headers_are_signed_or_refused_whatever_they_are(headers):
    try:
        signed = request_preimage(stamp(VECTORS["requests"][0]["requestId"]), "GET", "/", headers, b"")
    except (VerificationError, UnicodeEncodeError):
        return
    assert signed == request_preimage(stamp(VECTORS["requests"][0]["requestId"]), "GET", "/", headers[::-1], b"")


@given(st.dictionaries(st.text(max_size=30), st.text(max_size=200)))
def test_stamps_are_read_or_refused_whatever_they_are(more):
    valid = replace(stamp(VECTORS["requests"][0]["requestId"]), signature=b"0").headers()
    try:
        read = Stamp.parse(list({**valid, **{f"x-bsv-auth-{name}": value for name, value in more.items()}}.items()))
    except VerificationError:
        return
    assert read.headers().keys() == valid.keys()


@pytest.mark.parametrize("vector", VECTORS["spelled"], ids=lambda vector: vector["text"])
def test_json_is_spelled_as_javascript_spells_it(vector):
    assert javascript_json(parse_json(vector["text"].encode(), "it")).decode() == vector["javascript"]


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, float("nan"), 2**53 + 1])
def test_what_javascript_would_not_repeat_is_refused(value):
    with pytest.raises(VerificationError):
        javascript_json(value)


@pytest.mark.parametrize("vector", VECTORS["certificates"])
def test_certificates_are_signed_over_the_same_bytes(vector):
    certificate = Certificate.parse(vector["certificate"])
    certificate.check()
    assert certificate.signed().hex() == vector["signed"]
    assert Certificate.parse(certificate.to_json()) == certificate


@pytest.mark.parametrize(
    "change",
    [
        {"type": "AAAA"},
        {"serialNumber": 1},
        {"subject": "me"},
        {"certifier": "02" + "ff" * 32},
        {"certifier": CLIENT.identity},
        {"revocationOutpoint": "none"},
        {"revocationOutpoint": f"{'00' * 32}.0"},
        {"fields": {"Email": "AAAA"}},
        {"fields": {"Żółw": "AAAA"}},
        {"fields": {"": "AAAA"}},
        {"fields": {"a" * 51: "AAAA"}},
        {"fields": {"a": 1}},
        {"fields": []},
        {"keyring": {"a": "?"}},
        {"signature": ""},
        {"signature": "zz"},
        {"signature": None},
    ],
)
def test_certificates_that_were_changed_or_are_rubbish_are_refused(change):
    with pytest.raises(VerificationError):
        Certificate.parse({**VECTORS["certificates"][0]["certificate"], **change}).check()


def test_a_certificate_opens_to_nobody_it_was_not_revealed_to():
    certificate = Certificate.parse({**VECTORS["certificates"][0]["certificate"], "keyring": {"Email": "A" * 108}})
    with pytest.raises(VerificationError):
        certificate.revealed(SERVER)
    with pytest.raises(VerificationError, match="does not have"):
        replace(certificate, keyring={"more": "AAAA"}).revealed(SERVER)


def test_a_key_towards_who_is_no_point_of_the_curve_verifies_nothing():
    nowhere = IdentityKey("02" + "ff" * 32)
    assert not SERVER.verify(handshake_key("a", "b", nowhere), b"data", bytes.fromhex(HANDSHAKE["signature"]))
