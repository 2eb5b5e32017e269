"""Against what the TypeScript SDK's AuthFetch sends, and against what it does not."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.amounts import MAX_SATOSHIS, Satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.ids import identity_key
from reconciler.model.keys import KeyRef
from reconciler.wallet.keys import Keys
from reconciler.wire.beef import Beef, BeefTx, merge
from reconciler.wire.payment import MAX_HEADER, Charge, PaymentHeader
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

PAYMENTS = json.loads((Path(__file__).parents[2] / "vectors" / "payment.json").read_text())["payments"]
FIRST = PaymentHeader.parse(PAYMENTS[0]["header"])
RECIPIENT = identity_key("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
ASKED = {
    "x-bsv-payment-version": "1.0",
    "x-bsv-payment-satoshis-required": "1000",
    "x-bsv-payment-derivation-prefix": "3q2+7w==",
}


def changed(**fields: object) -> str:
    """The first header with other fields; None leaves one out."""
    whole = {**json.loads(PAYMENTS[0]["header"]), **fields}
    return json.dumps({name: value for name, value in whole.items() if value is not None})


@pytest.mark.parametrize("case", PAYMENTS, ids=lambda case: str(case["satoshis"]))
def test_what_authfetch_pays_is_paid_to_a_key_that_both_sides_name(case):
    payment = PaymentHeader.parse(case["header"])
    payer, recipient = (Keys(bytes.fromhex(case[name])) for name in ("payer", "recipient"))

    assert (payment.prefix, payment.suffix, payment.subject) == (case["prefix"], case["suffix"], case["txid"])
    assert recipient.public(payment.key(payer.identity)) == case["key"]
    assert payer.public_for(payment.key(recipient.identity)) == case["key"]
    assert payment.output == TxOutput(Satoshis(case["satoshis"]), p2pkh(identity_key(case["key"])))
    assert payment.output.locking.hex() == case["locking"]


@pytest.mark.parametrize("case", PAYMENTS, ids=lambda case: str(case["satoshis"]))
def test_a_payment_is_read_as_it_was_written(case):
    payment = PaymentHeader.parse(case["header"])
    assert PaymentHeader.parse(payment.to_text()) == payment
    assert json.loads(payment.to_text()).keys() == json.loads(case["header"]).keys()
    assert ": " not in payment.to_text()


def test_the_key_of_a_payment_is_named_by_brc_29():
    assert FIRST.key(RECIPIENT) == KeyRef("3241645161d8", f"{FIRST.prefix} {FIRST.suffix}", RECIPIENT)


def test_transactions_beside_the_subject_and_its_ancestry_are_left_out():
    decoy = Transaction((TxInput(FIRST.beef.transactions[FIRST.subject].transaction.outpoint(9)),), ())
    more = merge([FIRST.beef, Beef.of((), [*FIRST.beef.transactions.values(), BeefTx(decoy)])])
    atomic = b"\x01" * 4 + bytes.fromhex(FIRST.subject)[::-1] + more.to_bytes()
    assert decoy.txid in more.transactions
    assert PaymentHeader.parse(changed(transaction=base64.b64encode(atomic).decode())) == FIRST


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not JSON"),
        ("[]", "lacks"),
        ("null", "lacks"),
        (changed(transaction=None), "lacks"),
        (changed(derivationPrefix=7), "lacks"),
        (changed(derivationSuffix=["a"]), "lacks"),
        (changed(derivationPrefix=""), "derivation prefix"),
        (changed(derivationSuffix="two parts"), "derivation suffix"),
        (changed(derivationSuffix="a" * 129), "derivation suffix"),
        (changed(derivationPrefix="gr\xfc\xdf"), "derivation prefix"),
        (changed(transaction="!"), "not base64"),
        (changed(transaction="\ud800"), "not JSON"),
        (changed(transaction=""), "ends"),
        (changed(transaction=base64.b64encode(FIRST.beef.to_bytes()).decode()), "not an Atomic one"),
        (changed(transaction=base64.b64encode(b"\x00" * 40).decode()), "not a BEEF"),
        (PAYMENTS[0]["header"][:-1] + ',"transaction":""}', "twice"),
        (" " * (MAX_HEADER + 1), f"more than {MAX_HEADER}"),
        ("[" * 10_000, "not JSON"),
    ],
)
def test_what_is_no_payment_is_refused(text, complaint):
    with pytest.raises(VerificationError, match=complaint):
        PaymentHeader.parse(text)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    with pytest.raises(VerificationError):
        PaymentHeader.parse(text)


@given(st.data())
def test_a_transaction_with_any_byte_changed_is_another_payment_or_none(data):
    atomic = bytearray(base64.b64decode(json.loads(PAYMENTS[1]["header"])["transaction"]))
    atomic[data.draw(st.integers(0, len(atomic) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        payment = PaymentHeader.parse(changed(transaction=base64.b64encode(bytes(atomic)).decode()))
    except VerificationError:
        return
    same = PaymentHeader.parse(PAYMENTS[1]["header"])
    assert (payment.subject, payment.output) == (same.subject, same.output) or payment.subject != same.subject


def test_a_charge_is_read_from_the_headers_of_a_402():
    charge = Charge.parse(ASKED, RECIPIENT)
    assert charge == Charge(Satoshis(1000), "3q2+7w==", RECIPIENT)
    assert charge.headers() == ASKED
    assert charge.body()["code"] == "ERR_PAYMENT_REQUIRED"
    assert charge.body()["satoshisRequired"] == 1000


@pytest.mark.parametrize(
    "wrong",
    [
        {"x-bsv-payment-version": "2.0"},
        {"x-bsv-payment-satoshis-required": ""},
        {"x-bsv-payment-satoshis-required": "0"},
        {"x-bsv-payment-satoshis-required": "-5"},
        {"x-bsv-payment-satoshis-required": "1e3"},
        {"x-bsv-payment-satoshis-required": "\u0661"},
        {"x-bsv-payment-satoshis-required": str(MAX_SATOSHIS + 1)},
        {"x-bsv-payment-satoshis-required": "1" * 5000},
        {"x-bsv-payment-derivation-prefix": ""},
        {"x-bsv-payment-derivation-prefix": "a b"},
    ],
    ids=str,
)
def test_a_charge_that_cannot_be_paid_is_refused(wrong):
    with pytest.raises(VerificationError, match="server asks"):
        Charge.parse(ASKED | wrong, RECIPIENT)


@pytest.mark.parametrize("missing", sorted(ASKED))
def test_a_402_without_one_of_its_headers_asks_nothing(missing):
    with pytest.raises(VerificationError, match="server asks"):
        Charge.parse({name: text for name, text in ASKED.items() if name != missing}, RECIPIENT)
