"""Words that manifests write, documents carry and servers read: each here once, so that both mean the same (MANIFESTS §1)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

OURSELVES: Final = "producer"
"""The payee that everybody has. What is the producer's goes to the gateway's key, which settles: the identity key stays with apply."""


class PriceModel(StrEnum):
    """What is counted."""

    PER_REQUEST = "per-request"
    PER_SECOND = "per-second"
    PER_MINUTE = "per-minute"
    PER_MB = "per-mb"
    PER_PACKET = "per-packet"
    SUBSCRIPTION = "subscription"


class Way(StrEnum):
    """How a payment is made."""

    HTTP = "http"
    """With the request that it pays for (BRC-105, BRC-121, BRC-31/41)."""
    NATIVE = "native"
    """By a transaction made from a template, with shares for several payees."""


class ArcPreset(StrEnum):
    """Transaction processors that a rule may name without an address."""

    TAAL = "taal"
    GORILLAPOOL = "gorillapool"


class ConsumerState(StrEnum):
    """Whether a consumer is served."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    BLOCKED = "blocked"


class Occasion(StrEnum):
    """What people are told of."""

    APPLIED = "applied"
    FAILED = "failed"
    REFUSED = "refused"
    DRIFT = "drift"
    LOW_FUNDS = "low-funds"
