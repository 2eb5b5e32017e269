"""A payment as it is brought, by whichever method: a transaction, and the texts that name the key it pays us to (BRC-29).

| method | prefix | suffix | output that pays us |
|---|---|---|---|
| BRC-105 | ours, for one price (payments/quote.py) | the payer's | 0 |
| BRC-121 | the payer's nonce | base64 of the time | as the payer says |
| BRC-41 | the payer's | the payer's | 0 |
| native | the template's id | the output's index | as the template says; none where others get all |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from reconciler.model.ids import IdentityKey, Outpoint, Txid
from reconciler.model.keys import KeyRef, payment_key
from reconciler.model.payment import PaymentMethod
from reconciler.wire.beef import Beef
from reconciler.wire.transaction import Transaction, TxOutput

_DERIVATION: Final = re.compile(r"[A-Za-z0-9+/=_-]{1,128}")
"""Base64 by BRC-29, used as it is written: no space, which parts prefix and suffix in the key ID."""


def check_derivation(text: str, what: str) -> None:
    """Raises ValueError unless a text may be a derivation prefix or suffix; `what` says which."""
    if not _DERIVATION.fullmatch(text):
        raise ValueError(f"the derivation {what} is not 1 to 128 characters of base64: {text!r:.40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tender:
    """One payment of one buyer. Only its form is known: whether it is good is for the seller to find out (PROTOCOL §7)."""

    method: PaymentMethod
    buyer: IdentityKey
    """Who pays, as it was proven, or for BRC-121 as it was said."""
    prefix: str
    suffix: str
    beef: Beef
    """The transaction with its ancestry, and nothing else."""
    subject: Txid
    """The transaction that pays."""
    vout: int | None
    """The output that pays us; None where it all goes to others."""

    def __post_init__(self) -> None:
        check_derivation(self.prefix, "prefix")
        check_derivation(self.suffix, "suffix")
        if self.subject not in self.beef.transactions:
            raise ValueError("the BEEF lacks the transaction that pays")
        if self.vout is not None and self.vout < 0:
            raise ValueError(f"not the index of an output: {self.vout}")

    @property
    def transaction(self) -> Transaction:
        """The transaction that pays."""
        return self.beef.transactions[self.subject].transaction

    @property
    def inputs(self) -> frozenset[Outpoint]:
        """The coins that it spends."""
        return frozenset(spent.outpoint for spent in self.transaction.inputs)

    @property
    def output(self) -> TxOutput | None:
        """What pays us; None where that is nothing, or the transaction has no such output."""
        outputs = self.transaction.outputs
        return outputs[self.vout] if self.vout is not None and self.vout < len(outputs) else None

    @property
    def key(self) -> KeyRef:
        """Our key that can spend what pays us."""
        return payment_key(self.prefix, self.suffix, self.buyer)

    def is_same(self, other: Tender) -> bool:
        """Whether both are one payment: the transaction by the same method, by the same buyer, to the same key of ours.

        Its ancestry may be shown in other words.
        """
        return self._named() == other._named()

    def _named(self) -> tuple[object, ...]:
        return self.method, self.buyer, self.prefix, self.suffix, self.subject, self.vout
