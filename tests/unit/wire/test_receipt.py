from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.amounts import MAX_SATOSHIS
from reconciler.model.errors import VerificationError
from reconciler.model.goods import Good
from reconciler.model.ids import Digest, IdentityKey, Kind, RecordId, Txid
from reconciler.model.payment import PaymentMethod
from reconciler.wire.receipt import Allowance, Receipt
from tests.paying import keys_of

GATEWAY, BUYER, OTHER = keys_of("gateway"), keys_of("buyer"), keys_of("other")
VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "receipt.json").read_text())["receipts"]
BTC = Good(RecordId(Kind.DATASET, "btc"))

counts = st.integers(0, 2**53 - 1)
amounts = st.integers(0, MAX_SATOSHIS)
hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)
unsigned = st.builds(
    Receipt,
    network=hashes.map(Digest),
    producer=st.just(OTHER.identity),
    gateway=st.just(GATEWAY.identity),
    buyer=st.sampled_from([BUYER.identity, OTHER.identity]),
    good=st.builds(Good, st.sampled_from([BTC.record, RecordId(Kind.STREAM, "btc/live")]), st.integers(1, 10**9)),
    document=hashes.map(Digest),
    method=st.sampled_from(PaymentMethod),
    price=amounts,
    satoshis=amounts,
    txid=hashes.map(Txid),
    issued=counts,
    allowance=st.builds(Allowance, counts, counts, counts),
)


def a_receipt(**more) -> Receipt:
    given = {
        "network": Digest("11" * 32),
        "producer": OTHER.identity,
        "gateway": GATEWAY.identity,
        "buyer": BUYER.identity,
        "good": BTC,
        "document": Digest("22" * 32),
        "method": PaymentMethod.BRC105,
        "price": 1000,
        "satoshis": 1000,
        "txid": Txid("33" * 32),
        "issued": 1_800_000_000,
        "allowance": Allowance(10, 10 << 20, 1_802_592_000),
    }
    return Receipt(**{**given, **more}).signed(GATEWAY)


@given(unsigned)
def test_a_receipt_is_read_as_it_was_written_and_anyone_can_check_it(facts):
    receipt = facts.signed(GATEWAY)
    read = Receipt.from_bytes(receipt.to_bytes())
    assert read == receipt
    assert Receipt.parse(receipt.to_json()) == receipt
    read.check()


def test_the_same_sale_has_the_same_receipt_to_the_byte():
    assert a_receipt().to_bytes() == a_receipt().to_bytes()


def test_its_id_is_of_payment_buyer_and_good_alone():
    first = a_receipt()
    same = [a_receipt(price=1), a_receipt(issued=1), a_receipt(document=Digest("00" * 32))]
    others = [
        a_receipt(txid=Txid("44" * 32)),
        a_receipt(buyer=OTHER.identity),
        a_receipt(good=Good(BTC.record, 2)),
        a_receipt(good=Good(RecordId(Kind.STREAM, "btc"))),
    ]
    assert {each.id for each in same} == {first.id}
    assert len({first.id, *(each.id for each in others)}) == 5


FORGERIES = {
    "buyer": OTHER.identity,
    "producer": BUYER.identity,
    "network": Digest("00" * 32),
    "good": Good(BTC.record, 2),
    "document": Digest("00" * 32),
    "method": PaymentMethod.NATIVE,
    "price": 1,
    "satoshis": 1_000_000,
    "txid": Txid("00" * 32),
    "issued": 0,
    "allowance": Allowance(11, 10 << 20, 1_802_592_000),
    "gateway": OTHER.identity,
    "signature": b"",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_receipt_that_was_changed_is_not_the_gateways(name):
    with pytest.raises(VerificationError, match="signature"):
        replace(a_receipt(), **{name: FORGERIES[name]}).check()


def test_a_receipt_that_somebody_else_has_signed_is_not_the_gateways():
    with pytest.raises(VerificationError, match="signature"):
        a_receipt().signed(OTHER).check()


def test_a_gateway_that_is_no_point_of_the_curve_has_signed_nothing():
    with pytest.raises(VerificationError, match="no point"):
        replace(a_receipt(), gateway=IdentityKey("02" + "ff" * 32)).check()


@given(st.data())
def test_a_signature_with_another_bit_is_wrong(data):
    receipt = a_receipt()
    bit = data.draw(st.integers(0, len(receipt.signature) * 8 - 1))
    flipped = int.from_bytes(receipt.signature, "big") ^ (1 << bit)
    with pytest.raises(VerificationError):
        replace(receipt, signature=flipped.to_bytes(len(receipt.signature), "big")).check()


@pytest.mark.parametrize(
    "change",
    [
        {"id": "00" * 32},
        {"version": 2},
        {"quantity": 0},
        {"quantity": "1"},
        {"satoshis": MAX_SATOSHIS + 1},
        {"price": -1},
        {"method": "cash"},
        {"buyer": "02"},
        {"txid": "ZZ" * 32},
        {"signature": "0g"},
        {"good": {"kind": "dataset", "name": "../btc", "documentHash": "22" * 32}},
        {"good": {"kind": "dataset", "name": "btc"}},
        {"allowance": {"downloads": 1, "bytes": 1}},
        {"more": 1},
    ],
    ids=str,
)
def test_what_is_no_receipt_is_refused(change):
    with pytest.raises(VerificationError):
        Receipt.parse({**a_receipt().to_json(), **change})


@pytest.mark.parametrize("name", a_receipt().to_json())
def test_nothing_of_a_receipt_may_be_missing(name):
    value = {key: each for key, each in a_receipt().to_json().items() if key != name}
    with pytest.raises(VerificationError):
        Receipt.parse(value)


def test_only_its_canonical_bytes_are_read():
    with pytest.raises(VerificationError, match="canonical"):
        Receipt.from_bytes(a_receipt().to_bytes() + b" ")


@pytest.mark.parametrize("text", VECTORS)
def test_the_reference_sdk_makes_the_same_receipts_to_the_byte(text):
    receipt = Receipt.from_bytes(text.encode())
    receipt.check()
    assert receipt.gateway == keys_of("a gateway").identity
    assert replace(receipt, signature=b"").signed(keys_of("a gateway")).to_bytes() == text.encode()
