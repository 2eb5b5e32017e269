"""What an apply tells while it works: for progress on stderr, `--json`, and tests that kill it at every step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from reconciler.model.journal import JournalState


class Step(StrEnum):
    """The steps of an apply, in order (DESIGN §4.3)."""

    LEASE = "lease"
    RECOVER = "recover"
    PAY = "pay"
    UPLOAD = "upload"
    BUILD = "build"
    JOURNAL = "journal"
    BROADCAST = "broadcast"
    DELIVER = "deliver"
    VERIFY = "verify"


class Ending(StrEnum):
    """How a piece of work ended."""

    DONE = "done"
    FAILED = "failed"
    BLOCKED = "blocked"
    NOT_STARTED = "not started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened. `subject` is an object's address, a host or a transaction id; `detail` is for people."""

    step: Step
    subject: str
    ending: Ending
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A journal entry has durably reached `state`."""

    entry: str
    state: JournalState


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Bytes of an upload that have left so far."""

    subject: str
    sent: int
    total: int


class Tell(Protocol):
    """Whoever listens; must not raise."""

    def __call__(self, event: Event | Moved | Progress, /) -> None:
        """One thing happened."""
        ...


def tell_nobody(event: Event | Moved | Progress, /) -> None:
    """A listener that does not care."""
