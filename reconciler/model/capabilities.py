"""Capabilities: what a producer is found by, and the topics and services that they name (PROTOCOL §8)."""

from __future__ import annotations

import re
from typing import Final

_CAPABILITY = re.compile(r"[a-z]+(-[a-z]+)*")
_BYTES: Final = 42
"""The names of topics and services have 50 at most, eight of which are `tm_data_` or `ls_data_`."""

_TOPIC: Final = "tm_data_"
_SERVICE: Final = "ls_data_"

RESERVED: Final = frozenset({"catalog"})
"""`tm_data_catalog` and `ls_data_catalog` are about all records."""


def capability_fault(capability: str) -> str | None:
    """Why this is not a capability, or None if it is one."""
    if len(capability) > _BYTES:
        return f"is longer than {_BYTES} characters"
    if not _CAPABILITY.fullmatch(capability):
        return "must be lower-case words (a to z, no digits) with single hyphens between them"
    if capability in RESERVED:
        return "is a reserved word"
    return None


def topic_of(capability: str) -> str:
    """`crypto-price-feeds` to `tm_data_crypto_price_feeds`. Raises ValueError."""
    return _TOPIC + _words(capability)


def service_of(capability: str) -> str:
    """`crypto-price-feeds` to `ls_data_crypto_price_feeds`. Raises ValueError."""
    return _SERVICE + _words(capability)


def capability_of(name: str) -> str | None:
    """The capability that a topic or service is about; None for names that are about none."""
    if not name.startswith((_TOPIC, _SERVICE)) or "-" in name:
        return None
    capability = name[len(_TOPIC) :].replace("_", "-")
    return None if capability_fault(capability) else capability


def _words(capability: str) -> str:
    fault = capability_fault(capability)
    if fault:
        raise ValueError(f"the capability {capability!r} {fault}")
    return capability.replace("-", "_")  # hosts allow no hyphens in names
