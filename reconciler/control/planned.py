"""What a reconciliation comes to: a plan with what it was made from, and how carrying it out has ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from reconciler.apply.deliver import Delivered
from reconciler.apply.execute import Applied
from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Digest
from reconciler.observe.snapshot import Observation
from reconciler.plan.guards import GuardName
from reconciler.plan.plan import Plan
from reconciler.store.outbox import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan, with what was seen and done on the way to it."""

    plan: Plan
    observation: Observation
    network_id: Digest
    funded: Satoshis
    """Satoshis that were taken from a toy network's faucet for it."""

    def lacks(self, guard: GuardName) -> bool:
        """Whether this guard refuses the plan."""
        return any(refused.name is guard for refused in self.plan.refused)

    def warned(self, doubts: Sequence[str]) -> Planned:
        """The same, with more to warn of."""
        observation = replace(self.observation, warnings=(*self.observation.warnings, *doubts))
        return replace(self, observation=observation)


Agree: TypeAlias = Callable[[Planned], Awaitable[bool]]
"""Asks whether a plan shall be carried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How an apply ended. `applied` is None where there was nothing to do, or the user did not agree."""

    planned: Planned
    applied: Applied | None
    agreed: bool
    recovered: Delivered

    @property
    def undelivered(self) -> tuple[Delivery, ...]:
        """What some host has not got yet."""
        return self.recovered.failed if self.applied is None else self.applied.undelivered

    @property
    def is_partial(self) -> bool:
        """Whether all is committed, but a copy is not made, or some host has not got or does not list everything."""
        applied = self.applied
        return bool(self.undelivered) or (applied is not None and bool(applied.failed or any(applied.missing.values())))
