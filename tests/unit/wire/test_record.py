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
from reconciler.model.ids import Digest, Kind, Outpoint, RecordId, digest, identity_key, name_fault, txid
from reconciler.wire import pushdrop
from reconciler.wire.canonical import canonical_cbor
from reconciler.wire.derivation import public_child
from reconciler.wire.record import (
    Anchor,
    RecordToken,
    check,
    lock,
    locking_size,
    parse,
    preimage,
    signed_fields,
)
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

CASES = json.loads((Path(__file__).parents[2] / "vectors" / "record.json").read_text())["cases"]
ROOT = PrivateKey(sha256(__name__.encode()).digest())
IDENTITY = identity_key(ROOT.public_key().serialize())
HASH = digest("ab" * 32)
SPENT = Outpoint(txid("cd" * 32), 7)

hashes = st.binary(min_size=32, max_size=32).map(digest)
outpoints = st.builds(Outpoint, hashes.map(txid), st.integers(0, 2**32 - 1))
anchors = st.builds(Anchor, hashes, outpoints, st.lists(hashes, max_size=3).map(tuple))
names = st.from_regex(r"[a-z0-9]([a-z0-9._/-]{0,40}[a-z0-9])?", fullmatch=True).filter(
    lambda name: not name_fault(name)
)
ids = st.builds(RecordId, st.sampled_from(Kind), names)


def token(kind: Kind = Kind.DATASET, name: str = "btc", parents: tuple[Digest, ...] = ()) -> RecordToken:
    return RecordToken(IDENTITY, RecordId(kind, name), Anchor(HASH, SPENT, parents))


def sign(signed: RecordToken, data: bytes | None = None) -> bytes:
    key = KeyDeriver(ROOT).derive_private_key(
        Protocol(2, signed.key.protocol), signed.key.key_id, Counterparty(CounterpartyType.ANYONE)
    )
    return key.sign(preimage(signed) if data is None else data, lambda message: sha256(message).digest())


def carrying(locking: bytes, *, satoshis: int = 1, spends: Outpoint = SPENT) -> Transaction:
    other = Outpoint(txid("ef" * 32), 0)
    return Transaction((TxInput(other), TxInput(spends)), (TxOutput(Satoshis(satoshis), locking),))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['kind']} {case['name'][:20]}")
def test_tokens_are_those_that_the_reference_makes(case):
    made = RecordToken(
        identity_key(case["identity"]),
        RecordId(Kind(case["kind"]), case["name"]),
        Anchor(digest(case["documentHash"]), Outpoint.parse(case["spends"]), tuple(map(digest, case["parents"]))),
    )
    assert made.anchor.to_bytes().hex() == case["anchor"]
    assert made.key.key_id == case["keyID"]
    assert [field.hex() for field in signed_fields(made)] == case["fields"]
    assert public_child(made.identity, made.key) == case["lockingKey"]
    locking = bytes.fromhex(case["locking"])
    assert lock(made, bytes.fromhex(case["signature"])) == locking
    assert parse(locking) == made
    assert len(locking) <= locking_size(made.id, len(made.anchor.parents)) <= len(locking) + 2


@settings(max_examples=30)
@given(ids, anchors)
def test_a_signed_token_is_read_back_as_it_was_made(record, anchor):
    made = RecordToken(IDENTITY, record, anchor)
    signature = sign(made)
    locking = lock(made, signature)
    assert parse(locking) == made
    assert len(locking) - len(signature) + 71 == locking_size(record, len(anchor.parents))


@given(anchors)
def test_an_anchor_is_read_back_as_it_was_written(anchor):
    assert Anchor.from_bytes(anchor.to_bytes()) == anchor


@given(st.binary(max_size=150))
def test_other_bytes_are_no_anchor(data):
    with pytest.raises(VerificationError):
        Anchor.from_bytes(data)


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"mh": bytes(32)},
        {"i": bytes(36)},
        {"mh": bytes(31), "i": bytes(36)},
        {"mh": bytes(32), "i": bytes(35)},
        {"mh": bytes(32), "i": bytes(37)},
        {"mh": "a" * 32, "i": bytes(36)},
        {"mh": bytes(32), "i": bytes(36), "p": []},
        {"mh": bytes(32), "i": bytes(36), "p": None},
        {"mh": bytes(32), "i": bytes(36), "p": bytes(32)},
        {"mh": bytes(32), "i": bytes(36), "p": [bytes(31)]},
        {"mh": bytes(32), "i": bytes(36), "p": [bytes(32), "x"]},
        {"mh": bytes(32), "i": bytes(36), "q": 1},
        {b"mh": bytes(32), "i": bytes(36)},
    ],
)
def test_an_anchor_with_other_fields_or_lengths_is_refused(value):
    with pytest.raises(VerificationError):
        Anchor.from_bytes(canonical_cbor(value))


def test_an_anchor_in_another_order_is_refused():
    anchor = token().anchor.to_bytes()
    swapped = b"\xa2" + anchor[-37:] + anchor[1:-37]
    assert sorted(swapped) == sorted(anchor)
    with pytest.raises(VerificationError, match="deterministic"):
        Anchor.from_bytes(swapped)


def test_the_root_has_the_key_id_producer_whatever_its_name():
    assert token(Kind.PRODUCER, "acme").key.key_id == "producer"
    assert token(Kind.DATASET, "acme").key.key_id == "dataset acme"


def test_scripts_of_other_kinds_are_no_record_tokens():
    for script in (b"", b"\x6a", pushdrop.lock(IDENTITY, (b"SHIP", b"a!", b"b!", b"c!", b"d!"))):
        assert parse(script) is None


@given(st.data())
@settings(max_examples=60)
def test_a_token_with_a_changed_byte_is_refused_or_no_token(data):
    made = token()
    locking = bytearray(lock(made, sign(made)))
    locking[data.draw(st.integers(0, len(locking) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(VerificationError):
        assert parse(bytes(locking)) is None


def forged(fields: tuple[bytes, ...], *, key: RecordToken | None = None) -> bytes:
    return pushdrop.lock(public_child(IDENTITY, (key or token()).key), fields)


def test_each_thing_that_can_be_wrong_with_a_token_is_named():
    made = token()
    fields, signature = signed_fields(made), sign(made)
    cases = {
        "6 fields": forged(fields),
        "public key": forged((fields[0], b"\x05" + fields[1][1:], *fields[2:], signature)),
        "malformed: invalid public key": forged((fields[0], b"\x02" + b"\xff" * 32, *fields[2:], signature)),
        "not a valid Kind": forged((*fields[:2], b"database", *fields[3:], signature)),
        "the name": forged((*fields[:3], b"Not A Name", *fields[4:], signature)),
        "codec": forged((*fields[:3], b"\xff\xfe", *fields[4:], signature)),
        "anchor": forged((*fields[:4], b"\xa0\xa0", signature)),
        "not locked": forged((*fields, signature), key=token(name="other")),
        "not signed": forged((*fields, sign(made, b"something else"))),
    }
    for words, locking in cases.items():
        with pytest.raises(VerificationError, match=words):
            parse(locking)


def test_another_identity_cannot_take_over_a_token():
    made = token()
    stranger = identity_key(PrivateKey(sha256(b"stranger").digest()).public_key().serialize())
    with pytest.raises(VerificationError, match="not signed"):
        parse(lock(replace(made, identity=stranger), sign(made)))


def test_a_token_counts_where_its_transaction_spends_what_it_names():
    made = token()
    locking = lock(made, sign(made))
    assert check(carrying(locking), 0) == made
    with pytest.raises(VerificationError, match="is a copy"):
        check(carrying(locking, spends=Outpoint(SPENT.txid, SPENT.vout + 1)), 0)


def test_a_token_holds_one_satoshi_and_is_where_it_is_said_to_be():
    made = token()
    locking = lock(made, sign(made))
    for satoshis in (0, 2):
        with pytest.raises(VerificationError, match="satoshis"):
            check(carrying(locking, satoshis=satoshis), 0)
    for vout in (-1, 1):
        with pytest.raises(VerificationError, match="has no output"):
            check(carrying(locking), vout)
    with pytest.raises(VerificationError, match="is no record token"):
        check(carrying(b"\x51"), 0)
