"""One good that a consumer orders of a producer, and the order's life: an enum and a table (PROTOCOL §7).

Every state is written before the effect that it names. In `paying` the signed payment is in the journal, with the coins that
it locks: it is brought again as often as it takes, and no second one is made while the first may be had.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Self

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import StateError
from reconciler.model.goods import Good
from reconciler.model.ids import Digest, IdentityKey, Txid
from reconciler.model.payment import PaymentMethod

NOTHING: Final = Satoshis(0)


class OrderState(StrEnum):
    """Where an order stands."""

    QUOTED = "quoted"
    """A price was agreed to. Nothing is signed."""
    PAYING = "paying"
    """The payment is signed and written down, and may have left."""
    PAID = "paid"
    """The gateway has taken the payment; its receipt is here, and was verified."""
    RECEIVED = "received"
    """What opens the content is here, too."""
    DONE = "done"
    """The content is here, whole and verified."""
    REFUSED = "refused"
    """Nobody has taken a payment: none was made, or it went nowhere, and its coins may be spent again."""
    REFUNDED = "refunded"
    """The gateway has paid it back, or owes it: what the order cost is what did not come back."""


class OrderEvent(StrEnum):
    """What moves an order on."""

    PAY = "pay"
    ACCEPT = "accept"
    RECEIVE = "receive"
    FINISH = "finish"
    REFUSE = "refuse"
    REFUND = "refund"
    REVIVE = "revive"
    """The network has the payment that was given up: it is brought to the gateway again."""


_S, _E = OrderState, OrderEvent

TRANSITIONS: Final = {
    (_S.QUOTED, _E.PAY): _S.PAYING,
    (_S.QUOTED, _E.RECEIVE): _S.RECEIVED,  # it is free, or an earlier receipt still holds
    (_S.QUOTED, _E.REFUSE): _S.REFUSED,
    (_S.PAYING, _E.ACCEPT): _S.PAID,
    (_S.PAYING, _E.REFUSE): _S.REFUSED,
    (_S.PAYING, _E.REFUND): _S.REFUNDED,
    (_S.PAID, _E.RECEIVE): _S.RECEIVED,
    (_S.PAID, _E.REFUND): _S.REFUNDED,
    (_S.RECEIVED, _E.RECEIVE): _S.RECEIVED,
    (_S.RECEIVED, _E.FINISH): _S.DONE,
    (_S.DONE, _E.RECEIVE): _S.DONE,
    (_S.DONE, _E.FINISH): _S.DONE,
    (_S.REFUSED, _E.REVIVE): _S.PAYING,
}

SPENT: Final = frozenset({_S.PAYING, _S.PAID, _S.RECEIVED, _S.DONE, _S.REFUNDED})
"""States in which what the order costs is paid, or may have been: it counts against the budget of its day."""

OPEN: Final = frozenset({_S.QUOTED, _S.PAYING, _S.PAID, _S.RECEIVED})
"""States that lead on by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One good, to be had of one gateway, at one price. Times are unix seconds."""

    id: str
    """Of the buyer's own making."""
    state: OrderState = OrderState.QUOTED
    producer: IdentityKey
    gateway: str
    """Its origin."""
    gateway_key: IdentityKey
    """As the producer's root named it."""
    good: Good
    document: Digest
    """The hash of the record's document: which version is bought."""
    price: Satoshis
    """As it was quoted."""
    method: PaymentMethod | None = None
    """None where nothing is to be paid."""
    payment: Txid | None = None
    paid: Satoshis = NOTHING
    """What the payment gives to others, without its fee, less what has come back of it."""
    fee: Satoshis = NOTHING
    paid_at: int | None = None
    """When the payment was signed."""
    prefix: str = ""
    """BRC-29's of the payment; of a native one the template's id."""
    suffix: str = ""
    expires: int
    """When the quote, or the template, does."""
    receipt: bytes | None = None
    """Canonical JSON, as the gateway has signed it; it was verified."""
    key: bytes | None = None
    """The content key as the gateway has encrypted it for us (BRC-2)."""
    reason: str = ""
    """Why it was refused, for people."""
    created: int
    updated: int

    @property
    def cost(self) -> Satoshis:
        """What has left the wallet for it, or may have."""
        return Satoshis(self.paid + self.fee) if self.state in SPENT else NOTHING

    def moved(self, event: OrderEvent, *, now: int, **changes: Any) -> Self:
        """The order after `event`, with some fields changed. Raises StateError for a move that the table does not know."""
        after = TRANSITIONS.get((self.state, event))
        if after is None:
            raise StateError(f"an order that is {self.state} cannot {event}", where=self.id)
        return replace(self, state=after, updated=now, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """The newest root of a producer that a consumer has seen: nothing older is believed after it."""

    producer: IdentityKey
    generation: int
    root: str
    """The outpoint."""
    gateway: str | None
    at: int
