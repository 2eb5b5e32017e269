"""How a key is named (BRC-43): which protocol, which key ID, towards whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from reconciler.model.ids import AdProtocol, Digest, IdentityKey

Counterparty = Literal["self", "anyone"] | IdentityKey


@dataclass(frozen=True, slots=True)
class KeyRef:
    """A BRC-42 child key of the wallet that holds it. Protocols here are all of security level 2."""

    protocol: str
    key_id: str
    counterparty: Counterparty


RECORD_PROTOCOL: Final = "data catalog record"
COIN_PROTOCOL: Final = "data catalog coin"
SEAL_PROTOCOL: Final = "data catalog sealed"
GATEWAY_PROTOCOL: Final = "data gateway key"
CALLBACK_PROTOCOL: Final = "data gateway callback"
UHRP_PROTOCOL: Final = "uhrp advertisement"
SHIP_PROTOCOL: Final = "service host interconnect"
SLAP_PROTOCOL: Final = "service lookup availability"
PAYMENT_PROTOCOL: Final = "3241645161d8"
"""Of payments between two identities (BRC-29)."""
RECEIPT_PROTOCOL: Final = "data receipt"
DELIVERY_PROTOCOL: Final = "data content delivery"


def record_key(kind: str, name: str) -> KeyRef:
    """The key that locks and signs a record token (PROTOCOL §2); the root's key ID is the bare word."""
    return KeyRef(RECORD_PROTOCOL, "producer" if kind == "producer" else f"{kind} {name}", "anyone")


def ad_key(protocol: AdProtocol) -> KeyRef:
    """The key that locks and signs advertisements of one protocol (WIRE §4.2)."""
    return SHIP_KEY if protocol is AdProtocol.SHIP else SLAP_KEY


def change_key(anchor: str, index: int) -> KeyRef:
    """The key of money output `index` of a transaction that spends outpoint `anchor` first.

    That is the change of a root transaction (PROTOCOL §5).
    """
    return KeyRef(COIN_PROTOCOL, f"change {anchor} {index}", "self")


def batch_key(anchor: str, index: int) -> KeyRef:
    """The key of money output `index` that funds a batch, or that a batch makes for its commit (PROTOCOL §5).

    `anchor` is the first outpoint that the output's transaction spends.
    """
    return KeyRef(COIN_PROTOCOL, f"batch {anchor} {index}", "self")


def sweep_key(anchor: str, index: int) -> KeyRef:
    """The key of money output `index` that funds a sweep, or that a sweep makes for the last transaction; as `batch_key`."""
    return KeyRef(COIN_PROTOCOL, f"sweep {anchor} {index}", "self")


def purse_key(anchor: str, index: int) -> KeyRef:
    """The key of the purse that a splitter or an ads transaction makes as output `index`, and that spends outpoint `anchor` first."""
    return KeyRef(COIN_PROTOCOL, f"purse {anchor} {index}", "self")


def payment_key(prefix: str, suffix: str, other: IdentityKey) -> KeyRef:
    """The key that a payment from or to `other` is made out to (BRC-29): the recipient's child, which both can name."""
    return KeyRef(PAYMENT_PROTOCOL, f"{prefix} {suffix}", other)


def receipt_key(receipt: Digest) -> KeyRef:
    """The key that signs the receipt of this id; anyone can check it by the identity key of who sold."""
    return KeyRef(RECEIPT_PROTOCOL, receipt, "anyone")


def settlement_key(anchor: str, index: int, other: IdentityKey) -> KeyRef:
    """The key of output `index` of a settlement, which spends outpoint `anchor` first: the producer's, towards its gateway.

    `other` is the gateway to the producer, and the producer to the gateway (PROTOCOL §5).
    """
    return KeyRef(COIN_PROTOCOL, f"settle {anchor} {index}", other)


def is_settlement(key: KeyRef) -> bool:
    """Whether a coin under this key is settled revenue."""
    return key.protocol == COIN_PROTOCOL and key.key_id.startswith("settle ")


def delivery_key(receipt: Digest, buyer: IdentityKey) -> KeyRef:
    """The key by which a content key is encrypted to the buyer whose receipt this is (PROTOCOL §6)."""
    return KeyRef(DELIVERY_PROTOCOL, receipt, buyer)


def callback_key(other: IdentityKey) -> KeyRef:
    """The key of the token that ARC shows when it calls a gateway back; `other` is the producer's or the gateway's, either has it."""
    return KeyRef(CALLBACK_PROTOCOL, "1", other)


def is_purse(key: KeyRef) -> bool:
    """Whether a coin under this key is kept for advertisements (PROTOCOL §4, Ads)."""
    return key.protocol == COIN_PROTOCOL and key.key_id.startswith("purse ")


FUNDING_KEY: Final = KeyRef(COIN_PROTOCOL, "funding", "self")
"""The wallet's one receiving address: `wallet address`."""

GATEWAY_KEY: Final = KeyRef(GATEWAY_PROTOCOL, "1", "self")
"""The gateway's own identity, made from the producer's at genesis (PROTOCOL §3)."""

UHRP_KEY: Final = KeyRef(UHRP_PROTOCOL, "1", "anyone")
"""The key of a storage host's UHRP tokens (WIRE §4.3)."""

QUOTE_KEY: Final = KeyRef("payment quotes", "1", "self")
"""The key under which a seller seals what prices were quoted for (payments/quote.py)."""

GRANT_KEY: Final = KeyRef("content grants", "1", "self")
"""The key under which a gateway seals the URLs that it gives out for downloads (gateway/grants.py)."""

BUNDLE_KEY: Final = KeyRef("gateway coin bundle", "1", "self")
"""The key under which a gateway seals what it was paid, for storage hosts to keep (PROTOCOL §5)."""

UPLOAD_KEY: Final = KeyRef("storage upload", "1", "self")
"""The key under which a storage host seals the URLs that it gives out for uploads (WIRE §4.3)."""

SHIP_KEY: Final = KeyRef(SHIP_PROTOCOL, "1", "anyone")
"""The key of advertisements that a host takes a topic."""

SLAP_KEY: Final = KeyRef(SLAP_PROTOCOL, "1", "anyone")
"""The key of advertisements that a host answers a look-up service."""
