"""Receipts: who bought what for how much, signed by the gateway, to be checked by anyone (PROTOCOL §7).

Canonical JSON. Its id is the SHA-256 over the deterministic CBOR of ["receipt", txid, buyer, good]: one payment has one
receipt. The signature is the gateway's (`receipt_key`), over the canonical JSON without it; which key the gateway has, the
producer's root document names, so that a receipt, that document and the proof of the root's transaction say all of it
without anybody to ask.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol, Self

from reconciler.model.amounts import Satoshis, satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.goods import Good, Sold, sold_id
from reconciler.model.ids import Digest, IdentityKey, Txid, digest, identity_key, txid
from reconciler.model.json import Json, JsonObject
from reconciler.model.keys import KeyRef, receipt_key
from reconciler.model.payment import PaymentMethod
from reconciler.wire.canonical import canonical_cbor, canonical_json, parse_canonical, sha256_hex
from reconciler.wire.derivation import public_child, verify
from reconciler.wire.fields import Fields, read_object

_VERSION: Final = 1
_WHAT: Final = "the receipt"


class ReceiptState(StrEnum):
    """What a receipt is worth."""

    LIVE = "live"
    PENDING = "pending"
    """The network does not show its payment any more: that may pass."""
    REVOKED = "revoked"
    """Its payment was lost to another transaction, or given back."""
    ENDED = "ended"
    """Its time is over."""
    EXHAUSTED = "exhausted"
    """No download, or not a byte, is left."""


class Signer(Protocol):
    """The gateway's keys."""

    def sign(self, key: KeyRef, data: bytes) -> bytes:
        """An ECDSA signature (low-S DER) over SHA-256 of `data`, always the same."""
        ...


@dataclass(frozen=True, slots=True)
class Allowance:
    """What may be had for a receipt: so many downloads and so many bytes in all, before `until` (unix seconds)."""

    downloads: int
    bytes: int
    until: int


def receipt_id(payment: Txid, buyer: IdentityKey, good: Good) -> Digest:
    """The id of the receipt for a payment."""
    return sha256_hex(canonical_cbor(["receipt", bytes.fromhex(payment), bytes.fromhex(buyer), str(good)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One sale."""

    network: Digest
    """The hash of the chain's block 1, as the root document has it."""
    producer: IdentityKey
    gateway: IdentityKey
    """Who signs."""
    buyer: IdentityKey
    good: Good
    document: Digest
    """The hash of the good's document, as it was sold."""
    method: PaymentMethod
    price: Satoshis
    """What was asked."""
    satoshis: Satoshis
    """What was paid, shares of others included."""
    txid: Txid
    issued: int
    """When the payment was accepted, in unix seconds."""
    allowance: Allowance
    signature: bytes = b""
    """DER; empty before it is signed."""

    @property
    def id(self) -> Digest:
        """Of this sale."""
        return receipt_id(self.txid, self.buyer, self.good)

    def signed(self, signer: Signer) -> Self:
        """The receipt with the signature of `gateway`, whose keys are handed in."""
        return replace(self, signature=signer.sign(receipt_key(self.id), canonical_json(self._body())))

    def check(self) -> None:
        """Raises VerificationError unless `gateway` has signed it. Whether that is the producer's, its root document says."""
        try:
            signer = public_child(self.gateway, receipt_key(self.id))
        except ValueError as error:
            raise VerificationError("the receipt's gateway is no point of the curve") from error
        if not verify(signer, canonical_json(self._body()), self.signature):
            raise VerificationError(f"the signature of the receipt {self.id} is wrong")

    def to_json(self) -> JsonObject:
        """As it is handed over."""
        return {**self._body(), "signature": self.signature.hex()}

    def to_bytes(self) -> bytes:
        """Canonical JSON, signature included."""
        return canonical_json(self.to_json())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote, and nothing else. Raises VerificationError; checks no signature."""
        return cls.parse(parse_canonical(data, _WHAT))

    @classmethod
    def parse(cls, value: Json) -> Self:
        """Read one from a message. Raises VerificationError, also where its id is another's; checks no signature."""
        return read_object(value, _WHAT, cls._of)

    def _body(self) -> JsonObject:
        return {
            "version": _VERSION,
            "id": self.id,
            "network": self.network,
            "producer": self.producer,
            "gateway": self.gateway,
            "buyer": self.buyer,
            "good": {
                "kind": str(self.good.sold.kind),
                "name": self.good.sold.name,
                "documentHash": self.document,
            },
            "quantity": self.good.quantity,
            "method": self.method.value,
            "price": self.price,
            "satoshis": self.satoshis,
            "txid": self.txid,
            "issued": self.issued,
            "allowance": {
                "downloads": self.allowance.downloads,
                "bytes": self.allowance.bytes,
                "until": self.allowance.until,
            },
        }

    @classmethod
    def _of(cls, fields: Fields) -> Self:
        version = fields.integer("version")
        if version != _VERSION:
            raise VerificationError(f"a receipt of version {version} is not one that this program knows")
        shown = fields.parsed("id", digest)
        record, document = fields.nested("good", _good)
        receipt = cls(
            network=fields.parsed("network", digest),
            producer=fields.parsed("producer", identity_key),
            gateway=fields.parsed("gateway", identity_key),
            buyer=fields.parsed("buyer", identity_key),
            good=fields.built("quantity", Good, record, fields.integer("quantity")),
            document=document,
            method=fields.parsed("method", PaymentMethod),
            price=fields.built("price", satoshis, fields.integer("price")),
            satoshis=fields.built("satoshis", satoshis, fields.integer("satoshis")),
            txid=fields.parsed("txid", txid),
            issued=fields.integer("issued"),
            allowance=fields.nested("allowance", _allowance),
            signature=fields.parsed("signature", bytes.fromhex),
        )
        if receipt.id != shown:
            raise VerificationError(f"the receipt {shown} has the id of another payment, buyer or good")
        return receipt


def _good(fields: Fields) -> tuple[Sold, Digest]:
    record = fields.built("name", sold_id, fields.text("kind"), fields.text("name"))
    return record, fields.parsed("documentHash", digest)


def _allowance(fields: Fields) -> Allowance:
    return Allowance(fields.integer("downloads"), fields.integer("bytes"), fields.integer("until"))
