"""What a watch tells: every kind of event there is, with its fields (docs/operations.md lists them for programs)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from reconciler.control.planned import Finished
from reconciler.model.errors import OverlayError
from reconciler.model.ids import Address, Digest, Txid
from reconciler.plan.action import Action
from reconciler.plan.document import plan_id
from reconciler.plan.plan import Plan, Summary
from reconciler.store.outbox import Delivery


class Cause(StrEnum):
    """Why a round begins."""

    START = "start"
    FILES = "files"
    """Manifests, or what they name, changed on disk."""
    SCHEDULE = "schedule"
    RETRY = "retry"
    """The last round did not get through, or not all the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundStarted:
    """A round begins; with `refresh` everything that is published is read anew."""

    cause: Cause
    refresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan was made. `cost` is gross, `spent_today` what the journal shows since 00:00 UTC, both in satoshis."""

    plan_id: Digest
    summary: Summary
    cost: int
    spent_today: int
    empty: bool
    """Nothing changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFound:
    """Published objects are not as they were left."""

    objects: tuple[Address, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanApplied:
    """The plan is carried out. `txid` is None where only copies of content or rows changed."""

    plan_id: Digest
    generation: int
    txid: Txid | None
    cost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """Copies are kept for another term."""

    objects: tuple[Address, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """Hosts that were owed something got it."""

    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundFailed:
    """A round did not get through. Told once for each failure that stays the same."""

    error: OverlayError


@dataclass(frozen=True, slots=True, kw_only=True)
class InputHeld:
    """What failed is not tried again as it is: manifests, world, or the day have to change first."""

    error: OverlayError


@dataclass(frozen=True, slots=True, kw_only=True)
class BackingOff:
    """The next attempt comes after a pause."""

    seconds: float
    failures: int
    """In a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """Somebody asked the watch to end."""


Happening: TypeAlias = (
    RoundStarted
    | Planned
    | DriftFound
    | PlanApplied
    | Renewed
    | Delivered
    | RoundFailed
    | InputHeld
    | BackingOff
    | Stopping
)


def drift_of(plan: Plan) -> tuple[DriftFound, ...]:
    """What drifted, if anything did."""
    return (DriftFound(objects=tuple(drift.object for drift in plan.drift)),) if plan.drift else ()


def done_by(finished: Finished) -> Iterator[Happening]:
    """What a round has done."""
    plan, applied = finished.planned.plan, finished.applied
    if finished.recovered.done:
        yield delivered(finished.recovered.done)
    if applied is None:
        return
    renewed = tuple(change.object for change in plan.changes if change.action is Action.RENEW)
    if renewed:
        yield Renewed(objects=renewed)
    yield PlanApplied(plan_id=plan_id(plan), generation=applied.generation, txid=applied.txid, cost=plan.gross)


def delivered(done: Iterable[Delivery]) -> Delivered:
    """Who got what."""
    return Delivered(hosts=tuple(sorted({delivery.host for delivery in done})))


TellHappening: TypeAlias = Callable[[Happening], None]
"""Whoever listens; must not raise."""
