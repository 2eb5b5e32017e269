"""What was found of a producer from outside, as text and JSON."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.cli.views.doctor import checks_json, checks_text
from reconciler.cli.views.plan_document import counted
from reconciler.cli.views.wallet import takings_json
from reconciler.control.doctor import Check
from reconciler.control.reputation import Reputation
from reconciler.model.json import Json


def verified_text(checks: Sequence[Check], seen: Reputation | None) -> str:
    """Facts first, where they were asked for; then a line a check."""
    facts = [] if seen is None else [*(f"{name:12} {value}" for name, value in _facts(seen).items()), ""]
    return "\n".join([*facts, checks_text(checks)])


def verified_json(checks: Sequence[Check], seen: Reputation | None) -> dict[str, Json]:
    """The same for programs; `reputation` is null where it was not asked for."""
    return {**checks_json(checks), "reputation": None if seen is None else _reputation_json(seen)}


def _facts(seen: Reputation) -> dict[str, str]:
    age = "not in a block yet"
    if seen.blocks is not None:
        age = f"since block {seen.first_height:,}, {counted(seen.blocks, 'block')}"
    sold = seen.takings
    ads = ", ".join(f"{count} {protocol}" for protocol, count in sorted(seen.ads.items())) or "none"
    rotated = ", ".join(seen.rotations) or "none"
    return {
        "generations": f"{seen.generations:,}, {age}",
        "advertised": ads,
        "former keys": rotated,
        "sold": f"{counted(sold.revenue.count, 'sale')} for {sold.revenue.satoshis:,} sat, as the books here have it",
        "unbooked": f"{counted(sold.unbooked.count, 'payment')} for {sold.unbooked.satoshis:,} sat",
        "given back": f"{counted(sold.returned.count, 'payment')} for {sold.returned.satoshis:,} sat",
        "settled": f"{sold.settled:,} sat",
    }


def _reputation_json(seen: Reputation) -> dict[str, Json]:
    return {
        "generations": seen.generations,
        "firstHeight": seen.first_height,
        "newestHeight": seen.newest_height,
        "tip": seen.tip,
        "formerKeys": list(seen.rotations),
        "advertisements": dict(seen.ads),
        "sales": takings_json(seen.takings)["gateway"],
    }
