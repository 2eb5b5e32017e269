"""What the network's word means for a payment: pure decisions, by tables."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from reconciler.model.amounts import MAX_SATOSHIS, Satoshis
from reconciler.model.payment import HOLDING, Accept, PaymentEvent, PaymentState

GIVEN_UP_AFTER: Final = 3600
"""Seconds without being seen by the network, its answers notwithstanding, after which a payment counts as lost."""


_NO_LIMIT: Final = Satoshis(MAX_SATOSHIS)


class Word(StrEnum):
    """What is known of a transaction, proofs checked."""

    NOTHING = "nothing"
    """Nobody said anything that could be believed."""
    WAITING = "waiting"
    """Taken by somebody, or not found; not shown by the network."""
    SEEN = "seen"
    PROVEN = "proven"
    """A header of the chain proves it."""
    CONTESTED = "contested"
    """The network knows of a conflict, or has taken it for invalid after it took it."""
    REFUSED = "refused"
    """Whoever was given it judged it, and did not pass it on."""
    BEATEN = "beaten"
    """A transaction that conflicts with it is mined."""


@dataclass(frozen=True, slots=True)
class Policy:
    """When a payment is good: `accept` up to `limit` satoshis, mined above."""

    accept: Accept = Accept.SEEN
    limit: Satoshis = _NO_LIMIT

    def demands(self, satoshis: Satoshis) -> Accept:
        """What a payment of so much has to show."""
        return self.accept if satoshis <= self.limit else Accept.MINED


def suffices(word: Word, accept: Accept) -> bool:
    """Whether a payment is good, by that word."""
    return word is Word.PROVEN or (word is Word.SEEN and accept is Accept.SEEN)


_UNSHOWN: Final = frozenset({Word.WAITING, Word.CONTESTED, Word.REFUSED})
"""Words that leave a payment in doubt; SEEN and PROVEN end it, NOTHING says nothing."""


def in_doubt(word: Word, *, since: int | None, now: int) -> int | None:
    """Since when a payment is in doubt, after this word."""
    if word is Word.NOTHING:
        return since
    return (now if since is None else since) if word in _UNSHOWN else None


def event_of(state: PaymentState, word: Word, *, enough: bool, doubted_for: int) -> PaymentEvent | None:
    """The step that a word makes a payment take; None for none.

    `enough` is what the policy says of the word; `doubted_for` are the seconds since the network last showed the payment.
    """
    if word is Word.PROVEN:
        return PaymentEvent.PROVE
    if state not in HOLDING:
        return None  # what is lost comes back by a proof alone
    if word is Word.BEATEN or (word in _UNSHOWN and doubted_for >= GIVEN_UP_AFTER):
        return PaymentEvent.LOSE
    return _STEPS.get((state, word)) if word is not Word.SEEN else _seen(state, enough=enough)


def _seen(state: PaymentState, *, enough: bool) -> PaymentEvent | None:
    return PaymentEvent.ACCEPT if state is PaymentState.PENDING and enough else None


_STEPS: Final = {
    (PaymentState.PENDING, Word.REFUSED): PaymentEvent.LOSE,
    **{(PaymentState.ACCEPTED, word): PaymentEvent.DOUBT for word in _UNSHOWN},
}
"""What was delivered is lost by a rival's proof or by time, not by a doubt."""
