"""How much prices change, for the guard that catches a slipped digit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from reconciler.model.json import JsonObject


def price_factor(before: JsonObject, after: JsonObject) -> Fraction | None:
    """By how much a record's price is multiplied or divided at most; None means without bound (from or to free).

    Both are the record's public fields. Base price and tiers that both sides have count; without `pricing` it is free.
    """
    old, new = _prices(before), _prices(after)
    largest = Fraction(1)
    for step in old.keys() & new.keys():
        low, high = sorted((old[step], new[step]))
        if low == high:
            continue
        if low == 0:
            return None
        largest = max(largest, Fraction(high, low))
    return largest


def _prices(public: JsonObject) -> dict[int, int]:
    """Satoshis by the quantity from which they hold."""
    pricing = public.get("pricing")
    if not isinstance(pricing, Mapping):
        return {0: 0}
    tiers = pricing.get("tiers")
    steps = [tier for tier in tiers if isinstance(tier, Mapping)] if isinstance(tiers, Sequence) else []
    return {0: _amount(pricing)} | {_step(tier): _amount(tier) for tier in steps}


def _step(tier: JsonObject) -> int:
    start = tier.get("from")
    return start if isinstance(start, int) else 0


def _amount(pricing: JsonObject) -> int:
    amount = pricing.get("satoshis")
    return amount if isinstance(amount, int) else 0
