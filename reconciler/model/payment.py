"""The life of a payment that somebody made to us (PROTOCOL §7): an enum and a table.

A payment is written down, with every coin it spends, before a byte of it goes to the network, and accepted, durably, before
anything is served for it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from reconciler.model.errors import StateError


class PaymentMethod(StrEnum):
    """How somebody pays."""

    BRC105 = "brc105"
    """An authenticated HTTP request that carries it, for a price that a prefix of ours names."""
    BRC121 = "brc121"
    """An HTTP request of nobody known, but for the sender whom it names."""
    BRC41 = "brc41"
    """PacketPay: as BRC-105, over Authrite, by a prefix of the payer's."""
    NATIVE = "native"
    """A transaction by a template of ours, which pays every payee by itself (D21)."""


class Accept(StrEnum):
    """By which status of ARC a payment is good."""

    SEEN = "seen"
    MINED = "mined"


class PaymentState(StrEnum):
    """Where a payment stands."""

    PENDING = "pending"
    """Valid, enough, and written down. What the network makes of it is not known yet."""
    ACCEPTED = "accepted"
    """The network has it as the seller demands: what was bought may be served, and is owed."""
    DELIVERED = "delivered"
    """What was bought was served. The same payment gets the same again."""
    REFUSED = "refused"
    """The network does not take it, or took something else that spends its coins. Nothing was served."""
    UNBOOKED = "unbooked"
    """Accepted once, and then lost to another transaction that spends its coins."""
    RETURNED = "returned"
    """It came too late, or for what can never be served: given back, once a block has it, by its own coin or as a credit."""
    RETRACTED = "retracted"
    """To be given back, or given back, and then lost itself: nothing is owed."""


class PaymentEvent(StrEnum):
    """What moves a payment on."""

    ACCEPT = "accept"
    DELIVER = "deliver"
    DOUBT = "doubt"
    """The network does not show it any more, or knows of a conflict, before anything was served."""
    LOSE = "lose"
    """It will not be mined: refused by those who were given it, or a conflicting spend is mined."""
    RETURN = "return"
    """What was paid for will not be served."""
    PROVE = "prove"
    """A block has it after all: what was given up is credited, never kept silently."""


_S, _E = PaymentState, PaymentEvent

TRANSITIONS: Final = {
    (_S.PENDING, _E.ACCEPT): _S.ACCEPTED,
    (_S.PENDING, _E.PROVE): _S.ACCEPTED,
    (_S.PENDING, _E.LOSE): _S.REFUSED,
    (_S.ACCEPTED, _E.DELIVER): _S.DELIVERED,
    (_S.ACCEPTED, _E.DOUBT): _S.PENDING,
    (_S.ACCEPTED, _E.PROVE): _S.ACCEPTED,
    (_S.ACCEPTED, _E.LOSE): _S.UNBOOKED,
    (_S.DELIVERED, _E.DELIVER): _S.DELIVERED,
    (_S.DELIVERED, _E.PROVE): _S.DELIVERED,
    (_S.DELIVERED, _E.LOSE): _S.UNBOOKED,
    (_S.REFUSED, _E.PROVE): _S.ACCEPTED,
    (_S.UNBOOKED, _E.PROVE): _S.ACCEPTED,
    (_S.PENDING, _E.RETURN): _S.RETURNED,
    (_S.ACCEPTED, _E.RETURN): _S.RETURNED,
    (_S.RETURNED, _E.RETURN): _S.RETURNED,
    (_S.RETURNED, _E.PROVE): _S.RETURNED,
    (_S.RETURNED, _E.LOSE): _S.RETRACTED,
    (_S.RETRACTED, _E.PROVE): _S.RETURNED,
}

OWED: Final = frozenset({_S.PENDING, _S.ACCEPTED})
"""States in which the buyer has paid, or may have, and has got nothing for it."""

EARNED: Final = frozenset({_S.ACCEPTED, _S.DELIVERED})
"""States in which what was paid is ours."""

HOLDING: Final = frozenset({_S.PENDING, _S.ACCEPTED, _S.DELIVERED, _S.RETURNED})
"""States in which the coins that a payment spends can pay for nothing else."""


def advance(state: PaymentState, event: PaymentEvent) -> PaymentState:
    """The state after `event`. Raises StateError for a move that the table does not know."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise StateError(f"a payment that is {state} cannot {event}") from None
