"""Rebuilds the examples of docs/protocol.md about content, payments and what follows from them, by our own code."""

from __future__ import annotations

import base64
from fractions import Fraction
from functools import partial
from hashlib import sha256
from typing import Any

from reconciler.gateway.grants import Grant, parse_grant
from reconciler.model.amounts import FeeRate, Satoshis
from reconciler.model.goods import Good, sold_id
from reconciler.model.ids import Outpoint, RecordId, digest, identity_key, txid
from reconciler.model.keys import (
    BUNDLE_KEY,
    FUNDING_KEY,
    GRANT_KEY,
    QUOTE_KEY,
    KeyRef,
    delivery_key,
    payment_key,
    settlement_key,
)
from reconciler.model.payment import Accept, PaymentMethod
from reconciler.payments.bundle import packed, unpacked
from reconciler.payments.payout import refund, refund_key, settlement
from reconciler.payments.quote import Offer, Use, prefix_of, quoted
from reconciler.payments.splits import Split, apportioned
from reconciler.payments.templates import template_of
from reconciler.store.coins import Purpose, StoredCoin
from reconciler.store.payments import Payment
from reconciler.store.payouts import Payout
from reconciler.wallet.keys import Keys
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.wire.beef import Beef, BeefTx, merge, parse_beef
from reconciler.wire.brc121 import SimplePayment
from reconciler.wire.payment import PaymentHeader
from reconciler.wire.receipt import Allowance, Receipt
from reconciler.wire.script import p2pkh
from reconciler.wire.stream_cipher import Layout, SaltedDigest, SegmentCipher, content_key, key_commitment
from reconciler.wire.transaction import TxOutput
from reconciler.wire.uhrp import url_of
from tests.protocol.records import Given, keys_of


def sealed_content(given: Given) -> Given:
    """Sold content of one segment."""
    plaintext = given["plaintext"].encode()
    key = content_key(bytes.fromhex(given["seed"]), given["dataset"], digest(sha256(plaintext).hexdigest()))
    salted = SaltedDigest(key)
    salted.update(plaintext)
    stored = SegmentCipher(key, Layout(len(plaintext))).seal(0, plaintext)
    part = digest(sha256(stored).hexdigest())
    return {
        "contentKey": key.hex(),
        "keyCommitment": key_commitment(key),
        "digest": salted.value,
        "stored": stored.hex(),
        "part": {"uhrp": url_of(part), "sha256": part, "size": len(stored)},
    }


def delivery(given: Given) -> Given:
    """The content key for a buyer."""
    gateway, buyer = keys_of(given["gatewaySecret"]), keys_of(given["buyerSecret"])
    key, receipt = bytes.fromhex(given["contentKey"]), digest(given["receipt"])
    box = gateway.encrypt(delivery_key(receipt, buyer.identity), key, iv=bytes.fromhex(given["iv"]))
    assert buyer.decrypt(delivery_key(receipt, gateway.identity), box) == key
    return {"key": base64.b64encode(box).decode()}


def quotes(given: Given) -> Any:
    """Derivation prefixes, of either use."""
    seal = partial(keys_of(given["gatewaySecret"]).mac, QUOTE_KEY)
    offer = Offer(identity_key(given["buyer"]), given["good"], Satoshis(given["satoshis"]))
    made = {
        use.name.lower(): prefix_of(
            offer, seal=seal, random=bytes.fromhex(given["random"]), expires=given["expires"], use=use
        )
        for use in Use
    }
    for use in Use:
        asked = {"amounts": [Satoshis(offer.price + 1), offer.price], "seal": seal, "now": given["expires"] - 1}
        assert quoted(made[use.name.lower()], offer, **asked, uses=[use]) == offer.price
    return made


def grant(given: Given) -> Given:
    """A grant, read again before it ends."""
    seal = partial(keys_of(given["gatewaySecret"]).mac, GRANT_KEY)
    made = Grant(digest(given["receipt"]), RecordId.parse(given["record"]), given["expires"])
    text = made.text(seal)
    assert parse_grant(text, made.record, seal=seal, now=made.expires - 1) == made
    return {"grant": text}


def paying(buyer: Keys, beef: Beef, spends: str, outputs: list[TxOutput]) -> tuple[Beef, Any]:
    """A transaction that spends a coin at the buyer's address, with its ancestry."""
    outpoint = Outpoint.parse(spends)
    coin = beef.transactions[outpoint.txid].transaction.outputs[outpoint.vout]
    made = signed([Spendable(outpoint, coin, FUNDING_KEY, Lock.P2PKH)], outputs, buyer)
    entries = [BeefTx(each.transaction) for each in beef.transactions.values()]
    return merge([beef, Beef.of((), [*entries, BeefTx(made)])]), made


def payment(given: Given) -> Given:
    """A request that is paid by BRC-105."""
    buyer, gateway = keys_of(given["buyerSecret"]), keys_of(given["gatewaySecret"])
    key = payment_key(given["prefix"], given["suffix"], gateway.identity)
    script = p2pkh(buyer.public_for(key))
    assert script == p2pkh(gateway.public(payment_key(given["prefix"], given["suffix"], buyer.identity)))
    beef = parse_beef(bytes.fromhex(given["beef"]))[0]
    whole, made = paying(buyer, beef, given["spends"], [TxOutput(Satoshis(given["satoshis"]), script)])
    header = PaymentHeader(given["prefix"], given["suffix"], whole, made.txid)
    assert PaymentHeader.parse(header.to_text()) == header
    return {"script": script.hex(), "txid": made.txid, "x-bsv-payment": header.to_text()}


def simple_payment(given: Given) -> Given:
    """A request that is paid by BRC-121, by the transaction of the example before."""
    buyer, gateway = keys_of(given["buyerSecret"]), keys_of(given["gatewaySecret"])
    beef, subject = parse_beef(bytes.fromhex(given["beef"]))
    assert subject is not None
    made = SimplePayment(
        sender=buyer.identity, nonce=given["nonce"], time=given["time"], vout=given["vout"], beef=beef, subject=subject
    )
    script = p2pkh(buyer.public_for(made.key(gateway.identity)))
    return {"suffix": made.suffix, "script": script.hex(), "headers": made.headers()}


def native_template(given: Given) -> Given:
    """The outputs of a native payment, with what each payee needs to spend theirs."""
    gateway = keys_of(given["gatewaySecret"])
    splits = [
        Split(gateway.identity if each["to"] == "producer" else identity_key(each["to"]), Fraction(each["share"]))
        for each in given["splits"]
    ]
    offer = Offer(identity_key(given["buyer"]), given["good"], Satoshis(given["satoshis"]))
    portions = apportioned(offer.price, splits)
    made = template_of(offer, quote=given["quote"], portions=portions, expires=given["expires"], keys=gateway)
    keys = [made.key(index) for index in range(len(made.outputs))]
    return {
        "portions": [{"payee": each.payee, "satoshis": each.satoshis} for each in portions],
        "template": made.to_json(),
        "keys": [{"keyID": key.key_id, "counterparty": key.counterparty} for key in keys],
    }


def receipt(given: Given) -> Given:
    """A receipt, signed by the gateway, and checked by anyone."""
    good = given["good"]
    made = Receipt(
        network=digest(given["network"]),
        producer=identity_key(given["producer"]),
        gateway=keys_of(given["gatewaySecret"]).identity,
        buyer=identity_key(given["buyer"]),
        good=Good(sold_id(good["kind"], good["name"]), given["quantity"]),
        document=digest(good["documentHash"]),
        method=PaymentMethod(given["method"]),
        price=Satoshis(given["price"]),
        satoshis=Satoshis(given["satoshis"]),
        txid=txid(given["txid"]),
        issued=given["issued"],
        allowance=Allowance(**given["allowance"]),
    ).signed(keys_of(given["gatewaySecret"]))
    made.check()
    assert Receipt.from_bytes(made.to_bytes()) == made
    return {"receipt": made.to_json()}


def payouts(given: Given) -> Given:
    """A settlement to the producer, and a refund to the buyer, of the same payment."""
    gateway = keys_of(given["gatewaySecret"])
    producer, buyer = keys_of(given["producerSecret"]), keys_of(given["buyerSecret"])
    beef, subject = parse_beef(bytes.fromhex(given["beef"]))
    assert subject is not None
    outpoint = Outpoint(subject, 0)
    output = beef.transactions[subject].transaction.outputs[0]
    coin = StoredCoin(
        outpoint=outpoint,
        satoshis=output.satoshis,
        locking=output.locking,
        key=payment_key(given["prefix"], given["suffix"], buyer.identity),
        purpose=Purpose.MONEY,
    )
    assert output.locking == p2pkh(gateway.public(coin.key))
    terms = {"rate": FeeRate(given["satoshisPerByte"], 1), "keys": gateway, "now": 0}
    return {
        "settlement": _payout(
            settlement([(coin, beef)], producer=producer.identity, **terms),
            producer,
            settlement_key(str(outpoint), 0, gateway.identity),
        ),
        "refund": _payout(
            refund(coin, beef, buyer=buyer.identity, **terms), buyer, refund_key(subject, gateway.identity)
        ),
    }


def _payout(made: Payout | None, recipient: Keys, key: KeyRef) -> Given:
    """With the key as its recipient names it, which is what they can spend it by."""
    assert made is not None
    transaction = made.beef.transactions[made.txid].transaction
    assert transaction.outputs[0].locking == p2pkh(recipient.public(key))
    return {
        "protocol": key.protocol,
        "keyID": key.key_id,
        "counterparty": key.counterparty,
        "satoshis": made.satoshis,
        "txid": made.txid,
        "raw": transaction.raw.hex(),
    }


def bundle(given: Given) -> Given:
    """The gateway's backup of one payment."""
    gateway = keys_of(given["gatewaySecret"])
    header = PaymentHeader.parse(given["x-bsv-payment"])
    paid = Payment(
        tender=header.tender(identity_key(given["buyer"])),
        good=given["good"],
        price=Satoshis(given["price"]),
        satoshis=Satoshis(given["satoshis"]),
        accept=Accept(given["accept"]),
        terms=None,
        booked=0,
        doubted=0,
    )
    plain = packed([paid])
    assert unpacked(plain, now=0) == (paid,)
    sealed = gateway.encrypt(BUNDLE_KEY, plain, iv=bytes.fromhex(given["iv"]))
    return {"plaintext": plain.hex(), "sealed": sealed.hex()}


REBUILT = {
    "sealed-content": sealed_content,
    "key-delivery": delivery,
    "quotes": quotes,
    "grant": grant,
    "payment": payment,
    "simple-payment": simple_payment,
    "native-template": native_template,
    "receipt": receipt,
    "payouts": payouts,
    "bundle": bundle,
}
