"""What a good costs, in one shape (MANIFESTS §1): a model, satoshis for one unit, and other prices from a quantity on."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from reconciler.manifest.kinds.envelope import Part
from reconciler.manifest.kinds.fault import fault
from reconciler.manifest.kinds.quantities import Count, Duration
from reconciler.manifest.kinds.scalars import Amount, word
from reconciler.model.vocabulary import PriceModel

DATASET_MODELS: Final = (PriceModel.PER_REQUEST, PriceModel.PER_MB, PriceModel.SUBSCRIPTION)
STREAM_MODELS: Final = tuple(model for model in PriceModel if model is not PriceModel.PER_REQUEST)


class Tier(Part):
    """Another price from some quantity on."""

    from_: Annotated[Count, Field(alias="from")]
    """The quantity, in units of the model."""
    satoshis: Amount
    """For one unit from there on."""


def _in_order(tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
    """By quantity: the order in which tiers are written means nothing."""
    known: set[int] = set()
    for index, tier in enumerate(tiers):
        if tier.from_ in known:
            raise fault("conflict", "two tiers begin at the same quantity", at=(index, "from"))
        known.add(tier.from_)
    return tuple(sorted(tiers, key=lambda tier: tier.from_))


class Pricing(Part):
    """The price of one unit."""

    model: Annotated[PriceModel, BeforeValidator(word(PriceModel))]
    """What is counted."""
    satoshis: Amount
    """For one unit; for a subscription, for one term."""
    per: Duration | None = None
    """The term of a subscription."""
    tiers: Annotated[tuple[Tier, ...] | None, AfterValidator(lambda tiers: tiers and _in_order(tiers))] = None
    """Other prices from some quantity on."""

    @model_validator(mode="after")
    def _subscription_has_a_term(self) -> Self:
        if (self.per is not None) != (self.model is PriceModel.SUBSCRIPTION):
            raise fault("conflict", "a subscription has a term, and nothing else has", hint="per: 30d")
        return self

    @property
    def is_free(self) -> bool:
        """Whether nothing is ever due."""
        return self.satoshis == 0 and all(tier.satoshis == 0 for tier in self.tiers or ())


def _of(models: tuple[PriceModel, ...], good: str) -> AfterValidator:
    def check(pricing: Pricing) -> Pricing:
        if pricing.model not in models:
            expected = " | ".join(models)
            raise fault("wrong-value", f"{good} is not sold by this model", expected=expected, at=("model",))
        return pricing

    return AfterValidator(check)


DatasetPricing = Annotated[Pricing, _of(DATASET_MODELS, "a dataset")]
StreamPricing = Annotated[Pricing, _of(STREAM_MODELS, "a stream")]


def per_request(amount: int) -> Pricing:
    """What `price: N` is short for."""
    return Pricing.model_construct(model=PriceModel.PER_REQUEST, satoshis=amount)
