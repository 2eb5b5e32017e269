"""Against what the TypeScript SDK's wallets make, and against what they do not."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.model.amounts import MAX_SATOSHIS, Satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.ids import identity_key
from reconciler.model.keys import KeyRef
from reconciler.model.payment import PaymentMethod
from reconciler.wire.beef import Beef, BeefTx, merge
from reconciler.wire.brc121 import WINDOW, Price, SimplePayment, suffix_of
from reconciler.wire.payment import MAX_HEADER, PaymentHeader
from reconciler.wire.transaction import Transaction, TxInput

HEADERS = json.loads((Path(__file__).parents[2] / "vectors" / "payment.json").read_text())["payments"]
MADE = PaymentHeader.parse(HEADERS[0]["header"])
SERVER = identity_key("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
SENDER = identity_key("02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5")
PAYMENT = SimplePayment(
    sender=SENDER, nonce="3q2+7w==", time=1719500000000, vout=0, beef=MADE.beef, subject=MADE.subject
)


def test_a_price_is_read_as_it_was_written():
    price = Price(Satoshis(100), SERVER)
    assert price.headers() == {"x-bsv-sats": "100", "x-bsv-server": SERVER}
    assert Price.parse(price.headers()) == price


@pytest.mark.parametrize(
    "changed",
    [
        {"x-bsv-sats": "0"},
        {"x-bsv-sats": "-1"},
        {"x-bsv-sats": "1.5"},
        {"x-bsv-sats": "010"},
        {"x-bsv-sats": "\u0661"},
        {"x-bsv-sats": str(MAX_SATOSHIS + 1)},
        {"x-bsv-sats": ""},
        {"x-bsv-server": "02" + "00" * 31},
        {"x-bsv-server": ""},
    ],
    ids=str,
)
def test_a_price_that_cannot_be_paid_is_refused(changed):
    with pytest.raises(VerificationError, match="the server asks for"):
        Price.parse({**Price(Satoshis(100), SERVER).headers(), **changed})


def test_a_payment_is_read_as_it_was_written():
    assert SimplePayment.parse(PAYMENT.headers()) == PAYMENT
    assert [*PAYMENT.headers()] == ["x-bsv-beef", "x-bsv-sender", "x-bsv-nonce", "x-bsv-time", "x-bsv-vout"]


def test_the_key_is_named_by_the_nonce_and_the_base64_of_the_time_as_text():
    assert PAYMENT.key(SERVER) == KeyRef("3241645161d8", "3q2+7w== MTcxOTUwMDAwMDAwMA==", SERVER)
    assert suffix_of(1719500000000) == base64.b64encode(b"1719500000000").decode()


def test_it_is_a_tender_of_its_sender():
    tender = PAYMENT.tender
    assert (tender.method, tender.buyer, tender.vout) == (PaymentMethod.BRC121, SENDER, 0)
    assert tender.key == PAYMENT.key(SENDER)


def test_the_output_that_pays_is_the_named_one_of_the_subject_and_no_other_transaction_is_looked_at():
    transaction = MADE.beef.transactions[MADE.subject].transaction
    decoy = Transaction((TxInput(transaction.outpoint(9)),), transaction.outputs)
    more = merge([MADE.beef, Beef.of((), [*MADE.beef.transactions.values(), BeefTx(decoy)])])
    atomic = b"\x01" * 4 + bytes.fromhex(MADE.subject)[::-1] + more.to_bytes()
    read = SimplePayment.parse({**PAYMENT.headers(), "x-bsv-beef": base64.b64encode(atomic).decode()})

    assert decoy.txid in more.transactions
    assert read == PAYMENT
    assert [replace(PAYMENT, vout=vout).tender.output for vout in (0, 1, 2)] == [*transaction.outputs, None, None][:3]


@pytest.mark.parametrize(
    ("late", "fresh"), [(0, True), (-WINDOW, True), (WINDOW, True), (WINDOW + 1, False), (-WINDOW - 1, False)]
)
def test_a_payment_is_fresh_for_half_a_minute_either_way(late, fresh):
    assert PAYMENT.is_fresh((PAYMENT.time + late) / 1000) is fresh


@pytest.mark.parametrize("name", PAYMENT.headers())
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_all_five_headers_are_needed(name, how):
    headers = PAYMENT.headers()
    headers.pop(name)
    with pytest.raises(VerificationError, match=f"five headers, and lacks {name}"):
        SimplePayment.parse(headers if how == "absent" else {**headers, name: ""})


PLAIN = base64.b64encode(MADE.beef.to_bytes()).decode()


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("x-bsv-beef", "AABB==", "BEEF"),
        ("x-bsv-beef", "AAB!", "not base64"),
        ("x-bsv-beef", PLAIN, "not an Atomic one"),
        ("x-bsv-beef", "A" * (MAX_HEADER + 1), "characters"),
        ("x-bsv-sender", "02" + "ff" * 32, "no public key"),
        ("x-bsv-nonce", "a b", "malformed"),
        ("x-bsv-nonce", "3q2+7w", "malformed"),
        ("x-bsv-nonce", "A" * 2000, "malformed"),
        ("x-bsv-time", "1719500000", "13 digits"),
        ("x-bsv-time", "17195000000000", "13 digits"),
        ("x-bsv-time", "not-a-number", "13 digits"),
        ("x-bsv-time", "1719500000.00", "13 digits"),
        ("x-bsv-time", "0000000000001", "malformed"),
        ("x-bsv-vout", "-1", "not a number"),
        ("x-bsv-vout", "00", "not a number"),
        ("x-bsv-vout", "0x0", "not a number"),
        ("x-bsv-vout", "9999999999", "not a number"),
    ],
)
def test_what_is_no_payment_is_refused(name, text, complaint):
    with pytest.raises(VerificationError, match=complaint):
        SimplePayment.parse({**PAYMENT.headers(), name: text})
