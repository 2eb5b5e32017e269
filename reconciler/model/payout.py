"""What a gateway does with the coins that it was paid: an enum, and what moves them on.

A payout spends whole coins of payments, and makes no change. Its life is a journal entry's (model.journal): it is written down,
signed, with every coin that it spends, before a byte leaves.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from reconciler.model.journal import JournalState

_S = JournalState


class PayoutKind(StrEnum):
    """What a payout is for."""

    SETTLEMENT = "settlement"
    """Takes what was earned to the producer's identity, which applies spend (PROTOCOL §5)."""
    REFUND = "refund"
    """Gives the very coin of a payment back to its buyer."""


STANDING: Final = frozenset({_S.PREPARED, _S.SENDING, _S.SUBMITTED, _S.CONTESTED, _S.REFUSED, _S.SEEN, _S.MINED})
"""States in which what a payout spends can be spent by no other one."""
