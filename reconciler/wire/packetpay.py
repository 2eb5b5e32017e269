"""PacketPay (BRC-41, superseded by BRC-105): how a payment travels with a request, as the running code has it (WIRE §4.7).

The 402 is that of BRC-105 without a prefix. The header has the payer's own prefix and suffix, and for the transaction an envelope
(BRC-8): the transaction in hex, with its Merkle proof (BRC-10) or, by txid, the envelopes of what it spends. It is read into a BEEF.
Only the form is read here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from reconciler.model.errors import VerificationError
from reconciler.model.ids import IdentityKey, Txid
from reconciler.model.json import Json, JsonObject
from reconciler.model.payment import PaymentMethod
from reconciler.wire.beef import Beef, BeefTx, subset
from reconciler.wire.canonical import parse_json
from reconciler.wire.merkle import MAX_LEVELS, Leaf, MerklePath, path_of
from reconciler.wire.payment import MAX_HEADER, MAX_TRANSACTIONS
from reconciler.wire.tender import Tender
from reconciler.wire.transaction import Transaction, parse_transaction

_HASH: Final = re.compile(r"[0-9a-f]{64}")


def is_packet(text: str) -> bool:
    """Whether the value of `x-bsv-payment` is of this form, whether or not it is a good one: BRC-105 has a text in it there."""
    try:
        value = parse_json(text.encode(errors="replace"), "the payment") if len(text) <= MAX_HEADER else None
    except VerificationError:
        return False
    return isinstance(value, Mapping) and isinstance(value.get("transaction"), Mapping)


def parse_packet(text: str, buyer: IdentityKey) -> Tender:
    """Read the value of `x-bsv-payment` that an authenticated `buyer` has sent. Raises VerificationError."""
    if len(text) > MAX_HEADER:
        raise VerificationError(f"the payment has more than {MAX_HEADER} characters")
    match parse_json(text.encode(errors="replace"), "the payment"):
        case {
            "derivationPrefix": str(prefix),
            "transaction": {"outputs": [{"vout": int(vout), "derivationSuffix": str(suffix)}]} as envelope,
        }:
            beef, subject = parse_envelope(envelope)
        case _:
            raise VerificationError("the payment lacks a derivationPrefix, or a transaction with one output for us")
    try:
        return Tender(
            method=PaymentMethod.BRC41,
            buyer=buyer,
            prefix=prefix,
            suffix=suffix,
            beef=subset(beef, (subject,)),
            subject=subject,
            vout=vout,
        )
    except ValueError as error:
        raise VerificationError(f"the payment is malformed: {error}") from error


def parse_envelope(envelope: Json) -> tuple[Beef, Txid]:
    """Read an envelope of BRC-8, and which transaction it is of. Raises VerificationError.

    Where a proof is given, what lies below it is not looked at. Responses of miners are passed over: what the network makes of a
    transaction it says itself.
    """
    subject = _transaction(envelope)
    bumps: list[MerklePath] = []
    entries: dict[Txid, BeefTx] = {}
    waiting: list[tuple[Transaction, Json]] = [(subject, envelope)]
    while waiting:
        transaction, said = waiting.pop()
        if transaction.txid in entries:
            continue
        if len(entries) == MAX_TRANSACTIONS:
            raise VerificationError(f"the payment has more than {MAX_TRANSACTIONS} transactions")
        match said:
            case {"proof": Mapping() as proof} if proof:
                entries[transaction.txid] = BeefTx(transaction, len(bumps))
                bumps.append(_path(transaction.txid, proof))
            case {"inputs": Mapping() as inputs}:
                entries[transaction.txid] = BeefTx(transaction)
                waiting += (_filed(name, each) for name, each in inputs.items())
            case _:
                raise VerificationError("an envelope has neither a proof nor inputs")
    return Beef.of(bumps, entries.values()), subject.txid


def _filed(name: str, envelope: Json) -> tuple[Transaction, Json]:
    transaction = _transaction(envelope)
    if transaction.txid != name:
        raise VerificationError(f"an envelope of {transaction.txid} is filed as {name:.64}")
    return transaction, envelope


def _transaction(envelope: Json) -> Transaction:
    match envelope:
        case {"rawTx": str(raw)}:
            try:
                return parse_transaction(bytes.fromhex(raw))
            except ValueError as error:
                raise VerificationError("the transaction of an envelope is not hex") from error
        case _:
            raise VerificationError("an envelope lacks its transaction")


def _path(subject: Txid, proof: JsonObject) -> MerklePath:
    """A proof of BRC-10 as a path: siblings from the transaction upwards, at the height of its block."""
    match proof:
        case {"height": int(height), "index": int(index), "nodes": [*nodes]}:
            pass
        case {"targetType": "height", "target": str(target), "index": int(index), "nodes": [*nodes]} if (
            target.isdigit()
        ):
            height = int(target[:12])
        case _:
            raise VerificationError("a Merkle proof lacks height, index or nodes")
    if len(nodes) >= MAX_LEVELS or not 0 <= index < 1 << len(nodes):
        raise VerificationError("a Merkle proof has another number of nodes than its index demands")
    if not nodes:
        return path_of([subject], [0], height)
    levels = [(_sibling(node, index >> level),) for level, node in enumerate(nodes)]
    lowest = sorted((*levels[0], Leaf(index, bytes.fromhex(subject)[::-1], txid=True)), key=lambda leaf: leaf.offset)
    return MerklePath(height, (tuple(lowest), *levels[1:]))


def _sibling(node: Json, offset: int) -> Leaf:
    match node:
        case "*":  # it repeats its left sibling
            return Leaf(offset ^ 1, None)
        case str() if _HASH.fullmatch(node):
            return Leaf(offset ^ 1, bytes.fromhex(node)[::-1])
        case _:
            raise VerificationError("a node of a Merkle proof is not a hash")
