"""What was noticed about the world while planning, as lines for stderr."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.control.planned import Planned


def render_planned(planned: Planned) -> Iterator[str]:
    """Coins that were taken, state that was read back, and warnings."""
    if planned.funded:
        yield f"Took {planned.funded:,} satoshis from the faucet; they are worth nothing outside of this network."
    if planned.observation.rebuilt is not None and planned.plan.root is not None:
        yield f"Read generation {planned.plan.previous_generation} back from the overlay; this machine had not recorded it."
    for warning in planned.observation.warnings:
        yield f"Warning: {warning}."
