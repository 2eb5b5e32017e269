"""Paying for an HTTP request that nobody signs (BRC-121, WIRE §4.6): a 402 with two headers, and five that pay it.

Keys are those of BRC-29: the prefix is the nonce as it is written, the suffix the base64 of the time as it is written. Only the
form is read here. Whether a transaction is valid, pays enough and was not used before is for the seller to find out.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from reconciler.model.amounts import MAX_SATOSHIS, Satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.ids import IdentityKey, Txid, identity_key
from reconciler.model.keys import KeyRef, payment_key
from reconciler.model.payment import PaymentMethod
from reconciler.wire.beef import Beef, subset
from reconciler.wire.derivation import is_point
from reconciler.wire.payment import MAX_HEADER, parse_atomic
from reconciler.wire.tender import Tender

SATS_HEADER: Final = "x-bsv-sats"
SERVER_HEADER: Final = "x-bsv-server"

BEEF_HEADER: Final = "x-bsv-beef"
SENDER_HEADER: Final = "x-bsv-sender"
NONCE_HEADER: Final = "x-bsv-nonce"
TIME_HEADER: Final = "x-bsv-time"
VOUT_HEADER: Final = "x-bsv-vout"

RECEIPT_HEADER: Final = "x-bsv-receipt"
"""Of an answer that was paid for: the id of the receipt, under which the body is encrypted to the sender (PROTOCOL §6). Ours."""

PAYING: Final = (BEEF_HEADER, SENDER_HEADER, NONCE_HEADER, TIME_HEADER, VOUT_HEADER)
"""All of them, or nothing is paid."""

WINDOW: Final = 30_000
"""Milliseconds that a payment's time may be away from the server's, either way."""

NONCE_BYTES: Final = 8
"""Of a nonce that is made; one that is read may have any size that fits."""

_AMOUNT: Final = re.compile(r"[1-9][0-9]{0,15}")
_NONCE: Final = re.compile(r"(?:[A-Za-z0-9+/]{4}){0,16}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})")
_TIME: Final = re.compile(r"[0-9]{13}")
_VOUT: Final = re.compile(r"0|[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Price:
    """What a 402 asks: so many satoshis to a key of `server` that the payer chooses."""

    satoshis: Satoshis
    server: IdentityKey

    def __post_init__(self) -> None:
        if not 0 < self.satoshis <= MAX_SATOSHIS:
            raise ValueError(f"not a price: {self.satoshis}")

    def headers(self) -> dict[str, str]:
        """Those of the 402. Its body is empty."""
        return {SATS_HEADER: str(self.satoshis), SERVER_HEADER: self.server}

    @classmethod
    def parse(cls, headers: Mapping[str, str]) -> Self:
        """Read a 402's headers (lower-case names). Nothing says that they are the server's but the connection. Raises VerificationError."""
        amount = headers.get(SATS_HEADER, "")
        if not _AMOUNT.fullmatch(amount):
            raise VerificationError(f"the server asks for {amount!r:.40} satoshis")
        try:
            return cls(Satoshis(int(amount)), identity_key(headers.get(SERVER_HEADER, "")))
        except ValueError as error:
            raise VerificationError(f"the server asks for a payment that cannot be made: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class SimplePayment:
    """A payment as it travels. `time` is in milliseconds since 1970; `vout` the output that pays of `subject`, and of no other."""

    sender: IdentityKey
    nonce: str
    time: int
    vout: int
    beef: Beef
    subject: Txid

    def __post_init__(self) -> None:
        if not _NONCE.fullmatch(self.nonce):
            raise ValueError(f"the nonce is not base64: {self.nonce!r:.40}")
        if not _TIME.fullmatch(str(self.time)):
            raise ValueError(f"the time is not 13 digits of milliseconds: {self.time}")
        if not _VOUT.fullmatch(str(self.vout)):
            raise ValueError(f"not the index of an output: {self.vout}")
        if not is_point(self.sender):
            raise ValueError("the sender is no public key")
        if self.subject not in self.beef.transactions:
            raise ValueError("the BEEF lacks the transaction that pays")

    @property
    def suffix(self) -> str:
        """The derivation suffix; the prefix is the nonce."""
        return suffix_of(self.time)

    def key(self, other: IdentityKey) -> KeyRef:
        """The key that is paid: with the server as `other` to the sender, and with the sender to the server."""
        return payment_key(self.nonce, self.suffix, other)

    @property
    def tender(self) -> Tender:
        """As the server takes it. That it pays the key of this sender shows that he has made it: nobody else can name that key."""
        return Tender(
            method=PaymentMethod.BRC121,
            buyer=self.sender,
            prefix=self.nonce,
            suffix=self.suffix,
            beef=self.beef,
            subject=self.subject,
            vout=self.vout,
        )

    def is_fresh(self, now: float) -> bool:
        """Whether its time is near enough to `now` (unix seconds)."""
        return abs(now * 1000 - self.time) <= WINDOW

    def headers(self) -> dict[str, str]:
        """The five headers."""
        return {
            BEEF_HEADER: base64.b64encode(self.beef.to_atomic(self.subject)).decode(),
            SENDER_HEADER: self.sender,
            NONCE_HEADER: self.nonce,
            TIME_HEADER: str(self.time),
            VOUT_HEADER: str(self.vout),
        }

    @classmethod
    def parse(cls, headers: Mapping[str, str]) -> Self:
        """Read the five headers (lower-case names); what the BEEF holds beside the subject's ancestry is left out.

        The BEEF is an Atomic one: it has to say itself which of its transactions pays. Raises VerificationError.
        """
        texts = {name: headers.get(name, "") for name in PAYING}
        absent = [name for name, text in texts.items() if not text]
        if absent:
            raise VerificationError(f"a payment takes five headers, and lacks {', '.join(absent)}")
        if sum(map(len, texts.values())) > MAX_HEADER:
            raise VerificationError(f"the payment has more than {MAX_HEADER} characters")
        time, vout = texts[TIME_HEADER], texts[VOUT_HEADER]
        if not _TIME.fullmatch(time) or not _VOUT.fullmatch(vout):
            raise VerificationError("the payment's time is not 13 digits of milliseconds, or its output not a number")
        beef, subject = parse_atomic(texts[BEEF_HEADER])
        try:
            return cls(
                sender=identity_key(texts[SENDER_HEADER]),
                nonce=texts[NONCE_HEADER],
                time=int(time),
                vout=int(vout),
                beef=subset(beef, (subject,)),
                subject=subject,
            )
        except ValueError as error:
            raise VerificationError(f"the payment is malformed: {error}") from error


def suffix_of(time: int) -> str:
    """The derivation suffix of a payment made at `time` (milliseconds)."""
    return base64.b64encode(str(time).encode()).decode()
