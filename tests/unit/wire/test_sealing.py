from __future__ import annotations

import json
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Kind, RecordId, identity_key
from reconciler.wire.canonical import canonical_cbor, parse_cbor
from reconciler.wire.sealing import SealedState, open_record, open_state, recipients, seal_record, seal_state

SEED = sha256(__name__.encode()).digest()
NONCE = bytes(range(12))
DATA_KEY = sha256(SEED).digest()
BTC = RecordId(Kind.DATASET, "btc")
OWNER = identity_key("02" + sha256(b"owner").hexdigest())
GATEWAY = identity_key("03" + sha256(b"gateway").hexdigest())
WRAPPED = {OWNER: b"for the owner", GATEWAY: b"for the gateway"}
STATE = SealedState(
    settings={"paymentRule/default": {"http": {"min": 1}}},
    producer={"network": "embedded"},
    source="acme git.example/acme/data .",
    content_seed=SEED,
    coins=({"outpoint": "00.1"},),
    tips={"ticks": "00.2"},
    expiries={"ad": 1767225600},
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
objects = st.dictionaries(texts, st.none() | st.integers(-9, 9) | texts, max_size=4)
states = st.builds(
    SealedState,
    settings=objects,
    producer=objects,
    source=texts,
    content_seed=st.binary(min_size=32, max_size=32),
    coins=st.lists(objects, max_size=2).map(tuple),
    tips=objects,
    expiries=objects,
)


def sealed_state(state: SealedState = STATE) -> bytes:
    return seal_state(state, data_key=DATA_KEY, nonce=NONCE, wrapped=WRAPPED)


@given(objects, st.binary(min_size=12, max_size=12))
def test_sealed_fields_come_out_again(plaintext, nonce):
    box = seal_record(SEED, BTC, plaintext, nonce)
    assert open_record(SEED, BTC, box) == plaintext
    assert box[:12] == nonce
    assert (len(box) - 12 - 16) % 64 == 0


def test_a_box_is_made_exactly_as_the_protocol_says():
    box = seal_record(SEED, BTC, {"size": 7}, NONCE)
    key = HKDF(SHA256(), length=32, salt=None, info=b"seal | dataset | btc").derive(SEED)
    plaintext = AESGCM(key).decrypt(NONCE, box[12:], canonical_cbor(["dataset", "btc"]))
    assert plaintext == b'{"size":7}\x80' + bytes(64 - 11)


@pytest.mark.parametrize(
    ("length", "blocks"), [(0, 1), (63 - 8, 1), (64 - 8, 2), (65 - 8, 2), (127 - 8, 2), (128 - 8, 3)]
)
def test_the_size_tells_no_more_than_the_number_of_blocks(length, blocks):
    plaintext = {"k": "x" * length}  # 8 bytes of JSON around the text
    box = seal_record(SEED, BTC, plaintext, NONCE)
    assert len(box) == 12 + 64 * blocks + 16
    assert open_record(SEED, BTC, box) == plaintext


@pytest.mark.parametrize("other", [RecordId(Kind.DATASET, "eth"), RecordId(Kind.STREAM, "btc")])
def test_a_box_of_another_record_or_seed_does_not_open(other):
    box = seal_record(SEED, BTC, {}, NONCE)
    with pytest.raises(VerificationError, match="another key"):
        open_record(SEED, other, box)
    with pytest.raises(VerificationError, match="another key"):
        open_record(DATA_KEY, BTC, box)


@given(st.data())
def test_a_box_that_was_changed_or_cut_does_not_open(data):
    box = seal_record(SEED, BTC, {"size": 7}, NONCE)
    changed = bytearray(box)
    changed[data.draw(st.integers(0, len(box) - 1))] ^= data.draw(st.integers(1, 255))
    for wrong in (bytes(changed), box[: data.draw(st.integers(0, len(box) - 1))], box + b"\x00"):
        with pytest.raises(VerificationError):
            open_record(SEED, BTC, wrong)


@given(st.binary(max_size=200))
def test_any_other_bytes_are_only_ever_a_verification_error(data):
    for fail in (lambda: open_record(SEED, BTC, data), lambda: open_state(data, DATA_KEY), lambda: recipients(data)):
        with pytest.raises(VerificationError):
            fail()


@pytest.mark.parametrize(
    "padded",
    [
        bytes(64),
        b"{}" + bytes(62),
        b"{}\x80" + bytes(61) + bytes(64),
        b"{}\x80",
        b"{} \x80" + bytes(60),
        b"[]\x80" + bytes(61),
        b"\x80" + bytes(63),
        b"{}\x80" + bytes(60) + b"\x01",
    ],
)
def test_plaintext_that_the_writer_would_not_have_made_is_refused(padded):
    key = HKDF(SHA256(), length=32, salt=None, info=b"seal | dataset | btc").derive(SEED)
    box = NONCE + AESGCM(key).encrypt(NONCE, padded, canonical_cbor(["dataset", "btc"]))
    with pytest.raises(VerificationError):
        open_record(SEED, BTC, box)


@settings(max_examples=40)
@given(states)
def test_the_sealed_document_comes_out_again(state):
    sealed = sealed_state(state)
    assert open_state(sealed, DATA_KEY) == state
    assert recipients(sealed) == WRAPPED


def test_the_sealed_document_is_a_map_of_version_wrapped_keys_and_box():
    value = parse_cbor(sealed_state())
    assert value.keys() == {"v", "w", "c"}
    assert value["v"] == 1
    assert value["w"] == {bytes.fromhex(key): box for key, box in WRAPPED.items()}
    head = canonical_cbor({"v": value["v"], "w": value["w"]})
    plaintext = AESGCM(DATA_KEY).decrypt(value["c"][:12], value["c"][12:], head)
    assert len(plaintext) % 64 == 0
    assert json.loads(plaintext.rstrip(b"\x00")[:-1]).keys() == {
        "settings",
        "producer",
        "source",
        "contentSeed",
        "coins",
        "tips",
        "expiries",
    }


@given(st.data())
def test_a_sealed_document_with_any_byte_changed_does_not_open(data):
    changed = bytearray(sealed_state())
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(VerificationError):
        open_state(bytes(changed), DATA_KEY)


def test_recipients_can_neither_be_added_nor_removed_nor_exchanged():
    value = parse_cbor(sealed_state())
    owner, gateway = (bytes.fromhex(key) for key in WRAPPED)
    for wrapped in (
        {owner: value["w"][owner]},
        {**value["w"], b"\x02" + bytes(32): b"me too"},
        {owner: value["w"][gateway], gateway: value["w"][owner]},
    ):
        with pytest.raises(VerificationError, match="tampered"):
            open_state(canonical_cbor({**value, "w": wrapped}), DATA_KEY)


@pytest.mark.parametrize(
    "change",
    [{"v": 2}, {"w": {}}, {"w": {"text": b"x"}}, {"w": {b"x": 1}}, {"w": []}, {"c": "text"}, {"more": 1}],
)
def test_a_sealed_document_of_another_form_is_refused(change):
    data = canonical_cbor({**parse_cbor(sealed_state()), **change})
    with pytest.raises(VerificationError, match="the sealed document is not a map"):
        open_state(data, DATA_KEY)


def test_a_recipient_that_is_no_key_is_refused():
    data = canonical_cbor({"v": 1, "w": {b"x": b"y"}, "c": bytes(92)})
    with pytest.raises(VerificationError, match="recipient"):
        recipients(data)


def test_sealed_fields_of_the_wrong_form_are_refused_even_under_the_right_key():
    head = canonical_cbor({"v": 1, "w": {bytes.fromhex(OWNER): b"x"}})
    padded = b"{}\x80" + bytes(61)
    box = NONCE + AESGCM(DATA_KEY).encrypt(NONCE, padded, head)
    with pytest.raises(VerificationError, match="lacks 'settings'"):
        open_state(canonical_cbor({"v": 1, "w": {bytes.fromhex(OWNER): b"x"}, "c": box}), DATA_KEY)


def test_keys_seeds_and_nonces_of_the_wrong_size_are_refused():
    for fail in (
        lambda: seal_record(SEED[:16], BTC, {}, NONCE),
        lambda: seal_record(SEED, BTC, {}, NONCE[:8]),
        lambda: open_record(SEED[:16], BTC, bytes(92)),
        lambda: seal_state(STATE, data_key=DATA_KEY[:16], nonce=NONCE, wrapped=WRAPPED),
        lambda: open_state(sealed_state(), DATA_KEY[:16]),
        lambda: SealedState(settings={}, producer={}, source="", content_seed=b"short"),
    ):
        with pytest.raises(ValueError, match=r"has (12|32) bytes"):
            fail()
    with pytest.raises(ValueError, match="who can open it"):
        seal_state(STATE, data_key=DATA_KEY, nonce=NONCE, wrapped={})


def test_the_content_seed_is_not_shown_where_a_state_is_printed():
    assert SEED.hex() not in repr(STATE)
    assert repr(SEED) not in repr(STATE)
