"""Paying for an HTTP request (BRC-105): what a 402 asks, and the header that pays it. Keys are those of BRC-29.

Only the form is read here. Whether a transaction is valid, pays enough and was not used before is for the seller to find
out (PROTOCOL §7).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from reconciler.model.amounts import MAX_SATOSHIS, Satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.ids import IdentityKey, Txid
from reconciler.model.json import JsonObject
from reconciler.model.keys import KeyRef, payment_key
from reconciler.model.payment import PaymentMethod
from reconciler.wire.beef import Beef, parse_beef, subset
from reconciler.wire.canonical import parse_json
from reconciler.wire.tender import Tender, check_derivation
from reconciler.wire.transaction import TxOutput

VERSION: Final = "1.0"

VERSION_HEADER: Final = "x-bsv-payment-version"
REQUIRED_HEADER: Final = "x-bsv-payment-satoshis-required"
PREFIX_HEADER: Final = "x-bsv-payment-derivation-prefix"
PAYMENT_HEADER: Final = "x-bsv-payment"
PAID_HEADER: Final = "x-bsv-payment-satoshis-paid"

MAX_HEADER: Final = 48 * 1024
"""Characters of a payment header: servers, ours too, take 64 KiB of headers at most, and Node's 16 KiB."""

MAX_TRANSACTIONS: Final = 100
"""In the BEEF of a payment."""

PAID_OUTPUT: Final = 0
"""The output that pays, of the transaction that is the subject of the Atomic BEEF."""

_AMOUNT: Final = re.compile(r"[0-9]{1,16}")


class PaymentError(StrEnum):
    """The codes of 402, 400 and 503 in this conversation. The reference has the first four."""

    REQUIRED = "ERR_PAYMENT_REQUIRED"
    MALFORMED = "ERR_MALFORMED_PAYMENT"
    PREFIX = "ERR_INVALID_DERIVATION_PREFIX"
    """The prefix is not one that was given to this buyer for this good at such a price, or its time is up."""
    FAILED = "ERR_PAYMENT_FAILED"
    """The transaction is not valid, or the network does not take it."""
    INSUFFICIENT = "ERR_PAYMENT_INSUFFICIENT"
    """It does not pay enough to the key that was asked for."""
    REUSED = "ERR_PAYMENT_REUSED"
    """The transaction, or a coin that it spends, has paid for something else."""
    PENDING = "ERR_PAYMENT_PENDING"
    """Nothing is known yet: the same again, later."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What a 402 asks: so many satoshis to the key that `recipient` has for `prefix` and a suffix of the payer's."""

    satoshis: Satoshis
    prefix: str
    recipient: IdentityKey

    def __post_init__(self) -> None:
        if not 0 < self.satoshis <= MAX_SATOSHIS:
            raise ValueError(f"not a price: {self.satoshis}")
        check_derivation(self.prefix, "prefix")

    def headers(self) -> dict[str, str]:
        """Those of the 402. Who the recipient is, BRC-104 says."""
        return {
            VERSION_HEADER: VERSION,
            REQUIRED_HEADER: str(self.satoshis),
            PREFIX_HEADER: self.prefix,
        }

    def body(self) -> JsonObject:
        """The JSON of the 402, as the reference has it."""
        return {
            "status": "error",
            "code": PaymentError.REQUIRED.value,
            "satoshisRequired": self.satoshis,
            "description": "A BSV payment is required to complete this request. Provide the X-BSV-Payment header.",
        }

    @classmethod
    def parse(cls, headers: Mapping[str, str], recipient: IdentityKey) -> Self:
        """Read a 402's headers (lower-case names). `recipient` is whom the answer is authenticated as.

        Raises VerificationError.
        """
        version, required = headers.get(VERSION_HEADER), headers.get(REQUIRED_HEADER, "")
        if version != VERSION:
            raise VerificationError(f"the server asks for a payment of version {version!r:.40}, not {VERSION}")
        if not _AMOUNT.fullmatch(required):
            raise VerificationError(f"the server asks for {required!r:.40} satoshis")
        try:
            return cls(Satoshis(int(required)), headers.get(PREFIX_HEADER, ""), recipient)
        except ValueError as error:
            raise VerificationError(f"the server asks for a payment that cannot be made: {error}") from error


@dataclass(frozen=True, slots=True)
class PaymentHeader:
    """A payment as it travels: the texts that name the key, and the Atomic BEEF that shows the transaction."""

    prefix: str
    suffix: str
    beef: Beef
    subject: Txid

    def __post_init__(self) -> None:
        check_derivation(self.prefix, "prefix")
        check_derivation(self.suffix, "suffix")
        if self.subject not in self.beef.transactions:
            raise ValueError("the BEEF lacks the transaction that pays")

    @property
    def output(self) -> TxOutput | None:
        """What is to pay; None where the transaction has no outputs."""
        outputs = self.beef.transactions[self.subject].transaction.outputs
        return outputs[PAID_OUTPUT] if len(outputs) > PAID_OUTPUT else None

    def key(self, other: IdentityKey) -> KeyRef:
        """The key that is paid: with the recipient as `other` to the payer, and with the payer to the recipient."""
        return payment_key(self.prefix, self.suffix, other)

    def headers(self) -> dict[str, str]:
        """Those of a request that it pays for."""
        return {PAYMENT_HEADER: self.to_text()}

    def tender(self, buyer: IdentityKey) -> Tender:
        """What the seller makes of it, once he knows who brought it."""
        return Tender(
            method=PaymentMethod.BRC105,
            buyer=buyer,
            prefix=self.prefix,
            suffix=self.suffix,
            beef=self.beef,
            subject=self.subject,
            vout=PAID_OUTPUT,
        )

    def to_text(self) -> str:
        """The value of `x-bsv-payment`."""
        fields = {
            "derivationPrefix": self.prefix,
            "derivationSuffix": self.suffix,
            "transaction": base64.b64encode(self.beef.to_atomic(self.subject)).decode(),
        }
        return json.dumps(fields, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the value of `x-bsv-payment`; what the BEEF holds beside the subject's ancestry is left out.

        Raises VerificationError for anything but three texts of which the last is an Atomic BEEF, within the limits.
        """
        if len(text) > MAX_HEADER:
            raise VerificationError(f"the payment has more than {MAX_HEADER} characters")
        match parse_json(text.encode(errors="replace"), "the payment"):
            case {
                "derivationPrefix": str(prefix),
                "derivationSuffix": str(suffix),
                "transaction": str(transaction),
            }:
                beef, subject = parse_atomic(transaction)
            case _:
                raise VerificationError("the payment lacks derivationPrefix, derivationSuffix or transaction")
        try:
            return cls(prefix, suffix, subset(beef, (subject,)), subject)
        except ValueError as error:
            raise VerificationError(f"the payment is malformed: {error}") from error


def parse_atomic(text: str) -> tuple[Beef, Txid]:
    """Read the base64 of an Atomic BEEF, within the limits of a header, and which transaction pays. Raises VerificationError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise VerificationError("the transaction of the payment is not base64") from error
    beef, subject = parse_beef(data, max_bytes=MAX_HEADER, max_transactions=MAX_TRANSACTIONS)
    if subject is None:
        raise VerificationError(
            "the transaction of the payment is a BEEF, but not an Atomic one, which names its subject"
        )
    return beef, subject
