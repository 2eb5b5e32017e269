"""What a good costs. This version knows how to read a price; it can apply only the one that is nothing."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from reconciler.manifest.kinds.envelope import Part
from reconciler.manifest.kinds.fault import fault
from reconciler.manifest.kinds.scalars import Amount, Line, word


class PriceModel(StrEnum):
    """What is counted."""

    PER_REQUEST = "per-request"
    PER_SECOND = "per-second"
    PER_MINUTE = "per-minute"
    PER_MB = "per-mb"
    PER_PACKET = "per-packet"
    SUBSCRIPTION = "subscription"


class Tier(Part):
    """Another price from some quantity on."""

    from_: Amount = Field(alias="from")
    satoshis: Amount


class Pricing(Part):
    """The price of one unit."""

    model: Annotated[PriceModel, BeforeValidator(word(PriceModel))]
    """What is counted."""
    satoshis: Amount
    """For one unit."""
    per: Line | None = None
    """The term of a subscription, such as 30d."""
    tiers: tuple[Tier, ...] = ()
    """Other prices from some quantity on."""

    @model_validator(mode="after")
    def _subscription_has_a_term(self) -> Self:
        if (self.per is not None) != (self.model is PriceModel.SUBSCRIPTION):
            raise fault("conflict", "a subscription has a term, and nothing else has", hint="per: 30d")
        return self

    @property
    def is_free(self) -> bool:
        """Whether nothing is ever due."""
        return self.satoshis == 0 and all(tier.satoshis == 0 for tier in self.tiers)
