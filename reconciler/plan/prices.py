"""How much prices change, for the guard that catches a slipped digit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Self

from reconciler.model.json import JsonObject

_SECONDS: Final = {"per-second": 1, "per-minute": 60}
"""Models that measure one thing in different units."""


def price_factor(before: JsonObject, after: JsonObject) -> Fraction | None:
    """By how much a record's price is multiplied or divided at most; None means without bound.

    That is from or to free, and from one model to another that measures something else. Both are the record's public
    fields. The prices at every quantity where either side begins another tier are compared; without `pricing` it is free.
    """
    old, new = _Prices.of(before), _Prices.of(after)
    if old.unit != new.unit and old.is_priced and new.is_priced:
        return None
    largest = Fraction(1)
    for quantity in old.steps.keys() | new.steps.keys():
        low, high = sorted((old.at(quantity), new.at(quantity)))
        if low == high:
            continue
        if low == 0:
            return None
        largest = max(largest, high / low)
    return largest


def is_priced(public: JsonObject) -> bool:
    """Whether anything of a record with these public fields costs something."""
    return _Prices.of(public).is_priced


@dataclass(frozen=True, slots=True)
class _Prices:
    """Satoshis for one unit, by the quantity from which they hold."""

    unit: str
    steps: Mapping[int, Fraction]

    @classmethod
    def of(cls, public: JsonObject) -> Self:
        pricing = public.get("pricing")
        if not isinstance(pricing, Mapping):
            return cls("", {0: Fraction(0)})
        model, tiers = str(pricing.get("model", "")), pricing.get("tiers")
        seconds = _SECONDS.get(model, 1)
        each = [tier for tier in tiers if isinstance(tier, Mapping)] if isinstance(tiers, Sequence) else []
        steps = {0: _whole(pricing, "satoshis")} | {_whole(tier, "from"): _whole(tier, "satoshis") for tier in each}
        unit = "time" if model in _SECONDS else f"{model} {pricing.get('per', '')}"
        return cls(unit, {step * seconds: Fraction(amount, seconds) for step, amount in steps.items()})

    @property
    def is_priced(self) -> bool:
        return any(self.steps.values())

    def at(self, quantity: int) -> Fraction:
        return self.steps[max(step for step in self.steps if step <= quantity)]


def _whole(values: JsonObject, name: str) -> int:
    value = values.get(name)
    return value if isinstance(value, int) else 0
