"""What happened at the counter, one event for each: who, what, for how much, with which outcome. No keys, no payments, no grants.

Whoever puts the gateway together says where events go (`overlay serve --audit-log`); one that cannot be written stops no sale.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Digest, IdentityKey, Txid
from reconciler.model.json import Json


class What(StrEnum):
    """What was asked for."""

    QUOTE = "quote"
    ACCESS = "access"
    MEMBERSHIP = "membership"
    CONTENT = "content"
    TEMPLATE = "template"
    """Of a native payment."""
    PAYMENT = "payment"
    """By a template."""


class Outcome(StrEnum):
    """What came of it."""

    QUOTED = "quoted"
    CHARGED = "charged"
    """Asked to pay."""
    SOLD = "sold"
    """Served for a payment."""
    SERVED = "served"
    """Served for what was paid earlier, or for nothing where it is free."""
    REFUSED = "refused"
    """For a reason that `code` names."""
    RETURNED = "returned"
    """Paid too late to buy anything; it is given back."""
    PENDING = "pending"
    """Not known yet whether the payment is good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line."""

    what: What
    outcome: Outcome
    who: IdentityKey | None = None
    """None: somebody who has not said."""
    good: str | None = None
    satoshis: Satoshis | None = None
    """Asked where it was quoted or charged, paid where it was sold."""
    txid: Txid | None = None
    receipt: Digest | None = None
    code: str | None = None

    def line(self, now: float) -> str:
        """As one line of JSON, at `now` (unix seconds); what there is nothing to say of is left out."""
        fields: dict[str, Json] = {
            "at": round(now, 3),
            "what": self.what.value,
            "outcome": self.outcome.value,
            "who": self.who,
            "good": self.good,
            "satoshis": self.satoshis,
            "txid": self.txid,
            "receipt": self.receipt,
            "code": self.code,
        }
        return json.dumps({name: value for name, value in fields.items() if value is not None}, separators=(",", ":"))


Audit: TypeAlias = Callable[[Event], None]
"""Takes note of an event; neither waits nor raises."""


def to_nobody(_: Event) -> None:
    """An audit that nobody wants."""
