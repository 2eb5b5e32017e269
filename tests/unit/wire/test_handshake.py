"""Messages of BRC-103, as strangers write them."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.errors import VerificationError
from reconciler.wire.canonical import parse_json
from reconciler.wire.certificate import Certificate
from reconciler.wire.handshake import AboutCertificates, InitialRequest, InitialResponse, Wanted, parse_message
from reconciler.wire.javascript import javascript_json
from tests.authenticating import keys_of

IDENTITY = keys_of("somebody").identity
NONCE = base64.b64encode(bytes(48)).decode()
WANTED = Wanted((IDENTITY,), {base64.b64encode(bytes(32)).decode(): ("a", "b")})

MESSAGES = [
    InitialRequest(identity=IDENTITY, nonce=NONCE),
    InitialRequest(identity=IDENTITY, nonce=NONCE, wanted=WANTED),
    InitialResponse(identity=IDENTITY, nonce=NONCE, your_nonce=NONCE, signature=b"0"),
    InitialResponse(identity=IDENTITY, nonce=NONCE, your_nonce=NONCE, signature=b"0", certificates=({"a": 1},)),
]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=20,
)
NAMES = (
    *("version", "messageType", "identityKey", "nonce", "initialNonce", "yourNonce", "signature"),
    *("certificates", "requestedCertificates"),
)
TYPES = ("initialRequest", "initialResponse", "certificateRequest", "certificateResponse", "general")
LIKELY = st.sampled_from(["0.1", IDENTITY, NONCE, [48, 1, 0], WANTED.to_json(), [{}], *TYPES]) | JSON


@pytest.mark.parametrize("message", MESSAGES)
def test_messages_come_back_as_they_were(message):
    assert parse_message(parse_json(javascript_json(message.to_json()), "it")) == message


@pytest.mark.parametrize("content", [WANTED, Wanted(), ({"a": "b"},), ()])
def test_messages_about_certificates_are_signed_over_what_is_in_them(content):
    asks = isinstance(content, Wanted)
    message = AboutCertificates(
        identity=IDENTITY, nonce=NONCE, session_nonce=NONCE, your_nonce=NONCE, content=content, signature=b"0"
    )
    read = parse_message(parse_json(javascript_json(message.to_json()), "it"))
    assert read.content == content
    assert read.signed == javascript_json(content.to_json() if asks else content)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, LIKELY)) | JSON)
def test_whatever_comes_is_a_message_or_refused(value):
    try:
        message = parse_message(value)
    except VerificationError:
        return
    assert message.identity == IDENTITY


FIELDS = ("type", "serialNumber", "subject", "certifier", "revocationOutpoint", "fields", "keyring", "signature")
PARTS = st.sampled_from(
    [base64.b64encode(bytes(32)).decode(), IDENTITY, f"{'00' * 32}.1", "30", {}, {"a": "AAAA"}, {"ä": "AAAA"}]
)


@given(st.fixed_dictionaries(dict.fromkeys(FIELDS, PARTS | JSON)))
def test_whatever_comes_is_a_certificate_or_refused(value):
    try:
        certificate = Certificate.parse(value)
        with pytest.raises(VerificationError):
            certificate.check()
    except VerificationError:
        return
    assert certificate.certifier == IDENTITY


@given(JSON)
def test_json_is_spelled_once_for_all_or_refused(value):
    try:
        spelled = javascript_json(value)
    except VerificationError:
        return
    assert javascript_json(parse_json(spelled, "it")) == spelled
