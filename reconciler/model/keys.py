"""How a key is named (BRC-43): which protocol, which key ID, towards whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from reconciler.model.ids import IdentityKey

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
UHRP_PROTOCOL: Final = "uhrp advertisement"


def record_key(kind: str, name: str) -> KeyRef:
    """The key that locks and signs a record token (PROTOCOL §2); the root's key ID is the bare word."""
    return KeyRef(RECORD_PROTOCOL, "producer" if kind == "producer" else f"{kind} {name}", "anyone")


def change_key(anchor: str, index: int) -> KeyRef:
    """The key of change output `index` of a root transaction whose anchor is the outpoint `anchor` (PROTOCOL §5)."""
    return KeyRef(COIN_PROTOCOL, f"change {anchor} {index}", "self")


FUNDING_KEY: Final = KeyRef(COIN_PROTOCOL, "funding", "self")
"""The wallet's one receiving address: `wallet address`."""

GATEWAY_KEY: Final = KeyRef(GATEWAY_PROTOCOL, "1", "self")
"""The gateway's own identity, made from the producer's at genesis (PROTOCOL §3)."""

UHRP_KEY: Final = KeyRef(UHRP_PROTOCOL, "1", "anyone")
"""The key of a storage host's UHRP tokens (WIRE §4.3)."""
