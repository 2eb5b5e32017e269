"""On which conditions something is sold: what a seller decides of each good, and what is frozen with each payment for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from reconciler.model.amounts import Satoshis
from reconciler.payments.verdict import Policy
from reconciler.store.terms import Terms
from reconciler.wire.payment import MAX_HEADER, MAX_TRANSACTIONS
from reconciler.wire.spv import Limits

QUOTE_SECONDS: Final = 1800
"""For how long a price holds that was quoted, where the seller has not said."""

_LIMITS: Final = Limits(bytes=MAX_HEADER, transactions=MAX_TRANSACTIONS, depth=50, work=1 << 23)
"""What a header has room for, and a fraction of the work that a host's submission may cause."""


@dataclass(frozen=True, slots=True)
class Share:
    """An output that a payment has to have."""

    vout: int
    satoshis: Satoshis
    locking: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How one good is sold to one buyer."""

    terms: Terms | None = None
    """Of the sale; None for what is no sale of a producer's: then there is no receipt."""
    policy: Policy = field(default_factory=Policy)
    """When a payment is good."""
    seconds: int = QUOTE_SECONDS
    """For how long a price holds that is quoted now."""
    shares: tuple[Share, ...] | None = None
    """Outputs that it must have to the satoshi; None: the price, or more, on the output that pays us."""
    limits: Limits = _LIMITS
    """Of its BEEF."""
    natively: bool = False
    """Whether it is paid by a template: then nobody pays today's price with a request, past those who have shares."""
    quote: str | None = None
    """The quote by which the price was promised; None: the prefix of a BRC-105 payment, and nothing else."""
    at_hand: bool = False
    """Whether all that is sold is given in the answer to who pays: then it counts as served when the payment is accepted."""
    gives_back: str | None = None
    """Why nothing is sold for it: then it is given back."""


PLAIN: Final = Conditions()
"""No receipt, nothing but the price."""
