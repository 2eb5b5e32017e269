"""Keeping it so: rounds of the one reconciliation, on change and on schedule, for as long as nobody says stop (DESIGN §4.3).

A round is what `apply` does: recover, plan, guards, agree, execute. Here is only when the next one comes, and what a failure
means for it. Clock, dice and waiting are passed in, so that a week passes in seconds where they are simulated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Final, Protocol

from reconciler.control.happenings import (
    BackingOff,
    Cause,
    Happening,
    InputHeld,
    RoundFailed,
    RoundStarted,
    Stopping,
    TellHappening,
    delivered,
    done_by,
    drift_of,
)
from reconciler.control.happenings import Planned as PlanMade
from reconciler.control.loaded import Loaded
from reconciler.control.planned import Finished, Planned
from reconciler.control.reconcile import LOCK_SECONDS, Reconciler
from reconciler.control.spending import check_day, spent_today
from reconciler.manifest.inputs import Inputs
from reconciler.model.amounts import Satoshis
from reconciler.model.backoff import Backoff
from reconciler.model.errors import (
    LockedError,
    ManifestError,
    OverlayError,
    PartialError,
    StalePlanError,
    StateError,
    TransientError,
    of_system,
)
from reconciler.model.ids import Digest
from reconciler.plan.document import plan_id
from reconciler.plan.options import PlanOptions

INTERVAL: Final = 300.0
"""Seconds from one close look at everything to the next."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 300.0
AT_ONCE: Final = 3
"""How often a plan that the world has overtaken is made again without a pause."""


class Wake(Enum):
    """What ended a pause."""

    TIME = auto()
    FILES = auto()
    STOP = auto()


class Alarm(Protocol):
    """Waiting, and the file system."""

    async def __call__(self, seconds: float, concerns: Callable[[Path], bool], /) -> Wake:
        """Wait so long, or until a file that `concerns` us changes or has changed since the last pause, or all is to end."""
        ...


class _Reaction(Enum):
    """What a failure means for the next round."""

    AGAIN = auto()
    """The world moved: plan again at once."""
    BACK_OFF = auto()
    """It may go through later, unchanged."""
    HOLD = auto()
    """It will fail again until manifests, world or day change."""


_REACTIONS: Final = (
    (StalePlanError, _Reaction.AGAIN),
    (TransientError, _Reaction.BACK_OFF),
    (
        StateError,
        _Reaction.BACK_OFF,
    ),  # a disk, a database, a key file: mended beside the manifests, and nobody tells us
)
"""The first that fits; everything else is held."""


@dataclass(slots=True, kw_only=True)
class Watch:
    """One producer, kept as its manifests say. An object holds no state that a restart may not forget."""

    load: Callable[[], Awaitable[Loaded]]
    """Reads the manifests. Raises ManifestError."""
    open: Callable[[Loaded], AbstractAsyncContextManager[Reconciler]]
    """The reconciler of what was loaded, for one round: between rounds nothing is held, neither lease nor database."""
    options: PlanOptions
    survey: Callable[[], Inputs]
    """What manifests are made of that cannot be loaded."""
    inputs: Inputs
    """What is read, as far as it is known before the first load."""
    alarm: Alarm
    clock: Callable[[], float]
    """Unix seconds."""
    dice: Callable[[], float]
    """From 0 to 1."""
    halted: Callable[[], bool]
    tell: TellHappening
    interval: float = INTERVAL
    most_per_day: Satoshis | None = None
    patience: float = LOCK_SECONDS
    """Seconds that a round waits for the lease."""
    last: Loaded | None = field(default=None, repr=False)
    """The manifests when they last were right."""
    _due: float = 0.0
    """When the next close look is due."""
    _failures: int = 0
    """Rounds in a row that did not get through, or not all the way."""
    _stale: int = 0
    """Plans in a row that the world overtook."""
    _tried: Digest | None = None
    """The plan that this round agreed to."""
    _given_up: Digest | None = None
    """A plan that failed for good: it is not carried out again."""
    _told: dict[type[RoundFailed | InputHeld], RoundFailed | InputHeld] = field(default_factory=dict)
    """The failures that were told last, while they last."""

    async def once(self) -> Finished:
        """One round. Raises as `Reconciler.apply` does."""
        return await self._round(Cause.START, refresh=True)

    async def run(self) -> None:
        """Round after round, until the alarm says stop. Raises KeyboardInterrupt where a round was cut short."""
        cause = Cause.START
        while True:
            try:
                pause = await self._attempt(cause)
            except KeyboardInterrupt:
                self.tell(Stopping())
                raise
            wake = await self.alarm(pause, self.inputs.concerns)
            if wake is Wake.STOP:
                self.tell(Stopping())
                return
            if wake is Wake.FILES:
                cause, self._given_up = Cause.FILES, None
            else:
                cause = Cause.RETRY if self._failures else Cause.SCHEDULE

    async def _attempt(self, cause: Cause) -> float:
        """A round, and as many more as a moving world makes of it; the seconds until the next."""
        while True:
            is_due = self.clock() >= self._due
            try:
                finished = await self._round(cause, refresh=is_due)
                _check_complete(finished)
            except OverlayError as error:
                failure = error
            except OSError as error:
                failure = of_system(error)
            else:
                return self._succeeded(is_due=is_due, is_held=not finished.agreed)
            reaction = next((reaction for kind, reaction in _REACTIONS if isinstance(failure, kind)), _Reaction.HOLD)
            if reaction is _Reaction.AGAIN and self._stale < AT_ONCE:
                self._tell_once(RoundFailed(error=failure))
                self._stale += 1
                cause = Cause.RETRY
            elif reaction is _Reaction.HOLD or (reaction is _Reaction.AGAIN and self._tried is not None):
                return self._hold(failure, is_due=is_due)
            else:
                return self._back_off(failure, is_due=is_due)

    async def _round(self, cause: Cause, *, refresh: bool) -> Finished:
        self._tried = None
        self.tell(RoundStarted(cause=cause, refresh=refresh))
        loaded = await self._load()
        async with self.open(loaded) as reconciler:
            finished = await reconciler.apply(
                loaded.state,
                self.options,
                agree=lambda planned: self._agree(planned, reconciler),
                halted=self.halted,
                patience=self.patience,
                refresh=refresh,
            )
            if finished.planned.plan.is_empty:
                await self._tell_plan(finished.planned, reconciler)
        self._tell_all(done_by(finished))
        return finished

    async def _load(self) -> Loaded:
        try:
            loaded = await self.load()
        except ManifestError as error:
            self.inputs = self.survey()
            if self.last is not None:
                self._tell_once(RoundFailed(error=error))  # whatever becomes of the rest
                await self._keep_up(self.last)
            raise
        self.inputs, self.last = loaded.inputs, loaded
        return loaded

    async def _keep_up(self, last: Loaded) -> None:
        """While manifests are broken, what was applied before is still seen through."""
        async with self.open(last) as reconciler:
            kept = await reconciler.keep_up(halted=self.halted, patience=self.patience)
        if kept.done:
            self.tell(delivered(kept.done))

    async def _agree(self, planned: Planned, reconciler: Reconciler) -> bool:
        """Instead of a person: the day's cap, and that this very plan has not failed for good already."""
        await self._tell_plan(planned, reconciler)
        now = int(self.clock())
        await check_day(planned.plan, self.most_per_day, database=reconciler.database, now=now)
        found = plan_id(planned.plan)
        if found == self._given_up:
            return False
        self._tried = found
        return True

    def _succeeded(self, *, is_due: bool, is_held: bool) -> float:
        if not is_held:
            self._told.clear()
            self._given_up = None
        self._failures = self._stale = 0
        return self._until_due(is_due=is_due)

    def _hold(self, failure: OverlayError, *, is_due: bool) -> float:
        self._failures = self._stale = 0
        self._given_up = self._tried or self._given_up
        self._tell_once(RoundFailed(error=failure))
        self._tell_once(InputHeld(error=failure))
        return self._until_due(is_due=is_due)

    def _back_off(self, failure: OverlayError, *, is_due: bool) -> float:
        """Seconds of a pause that grows; not where another one leads: whoever stands by is there as soon as it dies."""
        self._stale = 0
        self._failures = 1 if isinstance(failure, LockedError) else self._failures + 1
        self._tell_once(RoundFailed(error=failure))
        if isinstance(failure, PartialError):  # the look itself got through
            self._until_due(is_due=is_due)
        pauses = Backoff(first=FIRST_PAUSE, most=min(LONGEST_PAUSE, self.interval))
        seconds = pauses.seconds(self._failures, self.dice())
        self.tell(BackingOff(seconds=seconds, failures=self._failures))
        return seconds

    def _until_due(self, *, is_due: bool) -> float:
        """Seconds until the next close look; one that was due has been made."""
        now = self.clock()
        if is_due:
            self._due = now + self.interval
        return max(0.0, self._due - now)

    def _tell_once(self, happening: RoundFailed | InputHeld) -> None:
        """Unless it says what the last one of its kind said: a failure that stays is no news."""
        kind, last = type(happening), self._told.get(type(happening))
        if last is None or not _same(happening.error, last.error):
            self._told[kind] = happening
            self.tell(happening)

    async def _tell_plan(self, planned: Planned, reconciler: Reconciler) -> None:
        plan = planned.plan
        spent = await spent_today(reconciler.database, int(self.clock()))
        self.tell(
            PlanMade(
                plan_id=plan_id(plan),
                summary=plan.summary,
                cost=plan.gross,
                spent_today=spent,
                empty=plan.is_empty,
            )
        )
        self._tell_all(drift_of(plan))

    def _tell_all(self, happenings: Iterable[Happening]) -> None:
        for happening in happenings:
            self.tell(happening)


def _same(one: OverlayError, other: OverlayError) -> bool:
    """Whether people would read the same: it decides what is said again, and nothing else."""
    found = [(type(each), each.message, each.where, getattr(each, "diagnostics", ())) for each in (one, other)]
    return found[0] == found[1]


def _check_complete(finished: Finished) -> None:
    """Raises PartialError where something is left for another round."""
    if not finished.is_partial:
        return
    hosts = {delivery.host for delivery in finished.undelivered}
    applied = finished.applied
    if applied is not None:
        hosts |= {host for host, outpoints in applied.missing.items() if outpoints} | {*applied.failed}
    raise PartialError("everything is committed, but not all of it has arrived", where=", ".join(sorted(hosts)))
