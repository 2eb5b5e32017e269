"""What is asked for a good, as a derivation prefix that nobody needs to keep (PROTOCOL §7).

prefix = base64(random (8) | expiry (4, unix seconds) | HMAC-SHA256 over purpose, random, expiry, buyer, good and price)

So a price that was quoted holds, in every process that has the seller's key, until its prefix expires; and a prefix is worth
nothing to another buyer, for another good, or at another price. A nonce of BRC-103 has 48 bytes and another key.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError
from reconciler.model.ids import IdentityKey
from reconciler.wire.canonical import canonical_cbor
from reconciler.wire.payment import PaymentError

Seal: TypeAlias = Callable[[bytes], bytes]
"""HMAC-SHA256 under a key of the seller's, kept for this."""

RANDOM: Final = 8
"""Random bytes of a prefix."""

_EXPIRY: Final = 4
_HMAC: Final = 32
_MAX_GOOD: Final = 512


class Use(StrEnum):
    """What a price was quoted for: how it is paid decides who gets which share."""

    REQUEST = "brc-105 derivation prefix"
    TEMPLATE = "native template quote"


@dataclass(frozen=True, slots=True)
class Offer:
    """One good, to one buyer, at one price. Goods are named by the server: printable ASCII, at most 512 characters."""

    buyer: IdentityKey
    good: str
    price: Satoshis

    def __post_init__(self) -> None:
        if not (0 < len(self.good) <= _MAX_GOOD and self.good.isascii() and self.good.isprintable()):
            raise ValueError(f"not the name of a good: {self.good!r:.80}")


def prefix_of(offer: Offer, *, seal: Seal, random: bytes, expires: int, use: Use = Use.REQUEST) -> str:
    """The prefix by which an offer is paid until `expires` (unix seconds); `random` are `RANDOM` bytes."""
    nonce = random + expires.to_bytes(_EXPIRY, "big")
    return base64.b64encode(nonce + seal(_sealed(use, nonce, offer, offer.price))).decode()


def quoted(
    prefix: str,
    offer: Offer,
    *,
    amounts: Iterable[Satoshis],
    seal: Seal,
    now: float,
    uses: Iterable[Use] = (Use.REQUEST,),
) -> Satoshis:
    """Which of `amounts` was the price when this prefix was given to this buyer for this good.

    A prefix does not say its price; whoever asks knows the candidates: what was paid, and what is asked today. Raises
    RefusedError where it was given for none of them, or its time is up.
    """
    try:
        data = base64.b64decode(prefix, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != RANDOM + _EXPIRY + _HMAC:
        raise _refused("the derivation prefix is not one of this server's")
    nonce, shown = data[: RANDOM + _EXPIRY], data[RANDOM + _EXPIRY :]
    for amount in amounts:
        if any(hmac.compare_digest(shown, seal(_sealed(use, nonce, offer, amount))) for use in uses):
            if int.from_bytes(nonce[RANDOM:], "big") <= now:
                raise _refused("the quoted price has expired")
            return amount
    raise _refused("the derivation prefix was not given to this buyer for this, at a price that was paid")


def _sealed(use: Use, nonce: bytes, offer: Offer, price: Satoshis) -> bytes:
    return canonical_cbor([use.value, nonce, bytes.fromhex(offer.buyer), offer.good, price])


def _refused(message: str) -> RefusedError:
    return RefusedError(message, code=PaymentError.PREFIX.value, hint="ask again without a payment for today's price")
