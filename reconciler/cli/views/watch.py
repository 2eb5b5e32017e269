"""What a watch tells: as events for programs on stdout, as a log on stderr."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from structlog.typing import FilteringBoundLogger

from reconciler.apply.events import Ending, Event, Moved, Progress
from reconciler.cli import errors
from reconciler.cli.console import Console
from reconciler.cli.views.apply import event_json
from reconciler.control.happenings import (
    BackingOff,
    Delivered,
    DriftFound,
    Happening,
    InputHeld,
    PlanApplied,
    Planned,
    Renewed,
    RoundFailed,
    RoundStarted,
    Stopping,
)
from reconciler.model.errors import LockedError, OverlayError
from reconciler.plan.plan import Summary


@dataclass(frozen=True, slots=True)
class Watching:
    """Listens to a watch, and to its applies."""

    console: Console
    log: FilteringBoundLogger
    as_json: bool

    def happened(self, happening: Happening) -> None:
        """Something of the watch."""
        self._say(_level(happening), happening_json(happening))

    def step(self, event: Event | Moved | Progress, /) -> None:
        """Something of an apply."""
        is_failure = isinstance(event, Event) and event.ending is Ending.FAILED
        self._say(logging.WARNING if is_failure else logging.DEBUG, event_json(event))

    def unheard(self, error: OverlayError) -> None:
        """A webhook could not be told."""
        self.log.warning("not-notified", error=error.message, where=error.where, hint=error.hint)

    def blind(self, why: str) -> None:
        """The file system does not tell of changes."""
        self.log.warning("files-not-watched", why=why, hint="they are looked at with every interval")

    def _say(self, level: int, said: Mapping[str, object]) -> None:
        if self.as_json:
            self.console.document(said)
        else:
            self.log.log(level, str(said["event"]), **{name: value for name, value in said.items() if name != "event"})


NAMES: Final[Mapping[type[Happening], str]] = {
    RoundStarted: "round",
    Planned: "planned",
    DriftFound: "drift",
    PlanApplied: "applied",
    Renewed: "renewed",
    Delivered: "delivered",
    RoundFailed: "error",
    InputHeld: "held",
    BackingOff: "backing-off",
    Stopping: "stopping",
}
"""What each is called in a log and in --json; docs/operations.md has the same list, with all fields."""


def happening_json(happening: Happening) -> dict[str, object]:
    """One event: its name, and its fields in camel case; of a failure those of the error."""
    if isinstance(happening, RoundFailed | InputHeld):
        said = errors.as_json(happening.error)
    else:
        said = {_camel(each.name): _plain(getattr(happening, each.name)) for each in fields(happening)}
    return {"event": NAMES[type(happening)], **said}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _plain(value: object) -> object:
    match value:
        case tuple():
            return [str(each) for each in value]
        case Summary():
            return {name: getattr(value, name) for name in value.__slots__}
        case float():
            return round(value, 3)
        case _:
            return value


def _level(happening: Happening) -> int:
    if isinstance(happening, RoundFailed):
        return logging.INFO if isinstance(happening.error, LockedError) else logging.ERROR
    if isinstance(happening, InputHeld):
        return logging.WARNING
    is_everyday = isinstance(happening, RoundStarted) or (isinstance(happening, Planned) and happening.empty)
    return logging.DEBUG if is_everyday else logging.INFO
