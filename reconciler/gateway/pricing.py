"""What so much of a good costs one buyer. Pure, in whole satoshis: what does not come out even is rounded up, once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Final

from reconciler.gateway.settings import amount, length, read_setting
from reconciler.gateway.tiers import WHOLE
from reconciler.model.amounts import MAX_SATOSHIS, Satoshis
from reconciler.model.errors import RefusedError, VerificationError
from reconciler.model.json import JsonObject
from reconciler.model.vocabulary import PriceModel
from reconciler.wire.fields import Fields

MEGABYTE: Final = 1_000_000
"""Bytes: what `per-mb` counts."""

MOST: Final = 1_000_000
"""Units that are bought at one time."""


@dataclass(frozen=True, slots=True)
class Step:
    """Another price of a unit, of all those from the `start`-th on."""

    start: int
    satoshis: Satoshis


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """What a record says it costs."""

    model: PriceModel
    satoshis: Satoshis
    """For one unit."""
    seconds: int | None = None
    """The term of a subscription, of which each unit is one."""
    steps: tuple[Step, ...] = ()
    """By their starts."""

    def units(self, size: int) -> int:
        """How many units are one whole content of so many bytes: of megabytes several, of anything else one."""
        return max(1, -(-size // MEGABYTE)) if self.model is PriceModel.PER_MB else 1

    def total(self, quantity: int) -> int:
        """What so many units cost by the list.

        Units before the first step cost the base price, those from a step on that step's: more units never cost less.
        """
        ladder = [Step(1, self.satoshis), *self.steps, Step(quantity + 1, Satoshis(0))]
        return sum(
            max(0, min(after.start, quantity + 1) - step.start) * step.satoshis for step, after in pairwise(ladder)
        )


def pricing_of(public: JsonObject, what: str) -> Pricing | None:
    """The pricing in the public fields of the record `what`; None for a free one. Raises StateError where it makes no sense."""
    value = public.get("pricing")
    return None if value is None else read_setting(value, f"the pricing of {what}", _pricing)


def list_price(pricing: Pricing, quantity: int) -> Satoshis:
    """What so many units cost before any discount. Raises RefusedError for a quantity that cannot be sold at one time.

    What is sold is sealed, and never given away: it costs a satoshi at least.
    """
    if not 1 <= quantity <= MOST:
        raise RefusedError(f"the quantity is not a whole number from 1 to {MOST}")
    total = pricing.total(quantity)
    if total > MAX_SATOSHIS:
        raise RefusedError("so much of it costs more than there is")
    return Satoshis(max(1, total))


def discounted(price: Satoshis, discount: int) -> Satoshis:
    """A price after a tier's discount (in hundredths of a percent), rounded up; a satoshi at least."""
    return Satoshis(max(1, -(-price * (WHOLE - discount) // WHOLE)))


def _pricing(fields: Fields) -> Pricing:
    pricing = Pricing(
        model=fields.parsed("model", PriceModel),
        satoshis=amount(fields, "satoshis"),
        seconds=fields.given("per", partial(length, fields)),
        steps=fields.given("tiers", lambda name: fields.items(name, _step)) or (),
    )
    if (pricing.seconds is None) == (pricing.model is PriceModel.SUBSCRIPTION):
        raise VerificationError("a subscription has a term, and nothing else has")
    if any(before.start >= after.start for before, after in pairwise(pricing.steps)):
        raise VerificationError("its tiers are not in order")
    return pricing


def _step(fields: Fields) -> Step:
    return Step(fields.integer("from", least=1), amount(fields, "satoshis"))
