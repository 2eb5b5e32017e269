"""Envelopes of BRC-8 with proofs of BRC-10, as PacketPay sends them. That the reference makes such ones is shown in tests/interop."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Txid, identity_key
from reconciler.model.payment import PaymentMethod
from reconciler.wire.beef import Beef
from reconciler.wire.merkle import path_of
from reconciler.wire.packetpay import is_packet, parse_envelope, parse_packet
from reconciler.wire.payment import MAX_HEADER, PaymentHeader
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

BUYER = identity_key("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
BRC105 = json.loads((Path(__file__).parents[2] / "vectors" / "payment.json").read_text())["payments"][0]["header"]
OTHERS = [Txid(f"{number:02x}" * 32) for number in range(1, 8)]


def spending(*parents: Transaction, salt: int = 0) -> Transaction:
    return Transaction(tuple(TxInput(parent.outpoint(0), bytes([salt])) for parent in parents), (TxOutput(5, b"\x51"),))


ORIGIN = Transaction((), (TxOutput(5, b"\x51"),))
GRAND = [spending(ORIGIN, salt=salt) for salt in (1, 2)]
PARENT = spending(*GRAND)
SUBJECT = spending(PARENT)


def proof_of(transaction: Transaction, index: int, size: int, height: int = 7) -> dict:
    """A proof of BRC-10, by the textbook."""
    txids = [*OTHERS[:index], transaction.txid, *OTHERS[index : size - 1]]
    nodes, at = [], index
    for level in path_of(txids, [index], height).levels:
        siblings = {leaf.offset: leaf.hash for leaf in level}
        sibling = siblings[at ^ 1]
        nodes.append("*" if sibling is None else sibling[::-1].hex())
        at >>= 1
    return {"height": height, "index": index, "nodes": nodes, "txOrId": transaction.txid}


def envelope(transaction: Transaction, **more) -> dict:
    return {"rawTx": transaction.raw.hex(), "txid": transaction.txid, **more}


WHOLE = envelope(
    SUBJECT,
    inputs={
        PARENT.txid: envelope(PARENT, inputs={each.txid: envelope(each, proof=proof_of(each, 2, 5)) for each in GRAND})
    },
    mapiResponses=[{"payload": "passed over"}],
)


def packet(**changed) -> str:
    outputs = [{"vout": 0, "satoshis": 5, "derivationSuffix": "c3VmZml4"}]
    return json.dumps({"derivationPrefix": "cHJlZml4", "transaction": {**WHOLE, "outputs": outputs, **changed}})


def test_a_payment_is_a_tender_of_its_buyer():
    tender = parse_packet(packet(), BUYER)
    assert (tender.method, tender.buyer, tender.subject, tender.vout) == (PaymentMethod.BRC41, BUYER, SUBJECT.txid, 0)
    assert (tender.prefix, tender.suffix) == ("cHJlZml4", "c3VmZml4")


def test_an_envelope_is_the_beef_of_its_transactions():
    beef, subject = parse_envelope(WHOLE)
    assert subject == SUBJECT.txid
    assert set(beef.transactions) == {SUBJECT.txid, PARENT.txid, *(each.txid for each in GRAND)}
    for each in GRAND:
        assert beef.proof(each.txid) == path_of([*OTHERS[:2], each.txid, *OTHERS[2:4]], [2], 7)


@pytest.mark.parametrize(("index", "size"), [(0, 1), (0, 2), (1, 2), (2, 3), (4, 5), (3, 7), (6, 7)])
def test_proofs_of_any_place_in_a_block_lead_to_its_root(index, size):
    proof = proof_of(ORIGIN, index, size) if size > 1 else {"height": 7, "index": 0, "nodes": []}
    beef, _ = parse_envelope(envelope(ORIGIN, proof=proof))
    txids = [*OTHERS[:index], ORIGIN.txid, *OTHERS[index : size - 1]]
    assert beef.proof(ORIGIN.txid).block_root == path_of(txids, [index], 7).block_root


def test_a_height_may_stand_as_a_target():
    proof = proof_of(ORIGIN, 0, 2)
    del proof["height"]
    beef, _ = parse_envelope(envelope(ORIGIN, proof={**proof, "targetType": "height", "target": "7"}))
    assert beef.proof(ORIGIN.txid).height == 7


def test_what_lies_below_a_proof_is_not_looked_at():
    beef, _ = parse_envelope(envelope(PARENT, proof=proof_of(PARENT, 0, 2), inputs={"nonsense": 7}))
    assert list(beef.transactions) == [PARENT.txid]


def test_transactions_that_several_spend_are_read_once():
    diamond = spending(PARENT, *GRAND)
    inputs = {each.txid: envelope(each, proof=proof_of(each, 1, 2)) for each in GRAND}
    beef, _ = parse_envelope(envelope(diamond, inputs={**inputs, PARENT.txid: envelope(PARENT, inputs=inputs)}))
    assert len(beef.transactions) == 4
    assert beef == Beef.of(beef.bumps, beef.transactions.values())


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"outputs": []}, "one output for us"),
        ({"outputs": [{"vout": 0, "derivationSuffix": "a"}] * 2}, "one output for us"),
        ({"outputs": [{"vout": -1, "derivationSuffix": "a"}]}, "malformed"),
        ({"outputs": [{"vout": 0, "derivationSuffix": "a b"}]}, "malformed"),
        ({"rawTx": None}, "lacks its transaction"),
        ({"rawTx": "zz"}, "not hex"),
        ({"rawTx": "00"}, "ends|end|transaction"),
        ({"inputs": None}, "neither a proof nor inputs"),
        ({"inputs": {OTHERS[0]: envelope(PARENT)}}, "filed as"),
        ({"inputs": {PARENT.txid: envelope(PARENT)}}, "neither a proof nor inputs"),
        ({"proof": {"index": 0, "nodes": []}}, "lacks height"),
        ({"proof": {"height": 1, "index": 1, "nodes": []}}, "number of nodes"),
        ({"proof": {"height": 1, "index": 4, "nodes": ["ab" * 32] * 2}}, "number of nodes"),
        ({"proof": {"height": 1, "index": 0, "nodes": ["ab" * 32] * 64}}, "number of nodes"),
        ({"proof": {"height": 1, "index": 0, "nodes": ["ab" * 31]}}, "not a hash"),
        ({"proof": {"height": 1, "index": 0, "nodes": [7]}}, "not a hash"),
        ({"proof": {"height": 1, "index": 1, "nodes": ["*", "ab" * 32]}}, "repeats a left node"),
        ({"proof": {"height": -1, "index": 0, "nodes": []}}, "height"),
        ({"proof": {"targetType": "height", "target": "x", "index": 0, "nodes": []}}, "lacks height"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_no_payment_is_refused(changed, complaint):
    with pytest.raises(VerificationError, match=complaint):
        parse_packet(packet(**changed), BUYER)


def test_a_chain_of_more_transactions_than_fit_is_refused():
    tip, said = ORIGIN, envelope(ORIGIN, proof=proof_of(ORIGIN, 0, 2))
    for salt in range(101):
        child = spending(tip, salt=salt)
        tip, said = child, {"rawTx": child.raw.hex(), "inputs": {tip.txid: said}}
    with pytest.raises(VerificationError, match="more than 100 transactions"):
        parse_envelope(said)


def test_the_two_forms_of_the_header_are_told_apart():
    assert is_packet(packet())
    assert not is_packet(BRC105)
    assert not any(map(is_packet, ("", "[]", "{", '{"transaction":7}', packet()[:-1], " " * MAX_HEADER + packet())))
    assert PaymentHeader.parse(BRC105)


def test_a_header_that_is_too_long_is_not_read():
    with pytest.raises(VerificationError, match="characters"):
        parse_packet(" " * MAX_HEADER + packet(), BUYER)
