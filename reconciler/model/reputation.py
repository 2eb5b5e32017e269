"""What is remembered of a host by those who ask it: how soon it answers, how often it failed, and when it may be asked again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from reconciler.model.backoff import Backoff

_FORGIVEN: Final = 2
"""Failures in a row that have no consequence: one lost packet is nobody's fault."""
_SILENCE: Final = Backoff(first=1.0, most=60.0)
_LIES: Final = Backoff(first=60.0, most=3600.0)
_UNKNOWN: Final = 1.5
"""Seconds that a host is taken to need before it was asked; better than a slow one, worse than a quick one."""
_NEWEST: Final = 0.25
"""What the newest answer counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reputation:
    """One host's. Instants are seconds on whatever clock the caller uses; `dice` is from 0 to 1."""

    seconds: float = _UNKNOWN
    """Until it answers, smoothed."""
    failures: int = 0
    """In a row."""
    rests_until: float = 0.0

    def after_answer(self, seconds: float) -> Reputation:
        """It answered after so many seconds: what was is forgiven."""
        return Reputation(seconds=self.seconds + _NEWEST * (seconds - self.seconds))

    def after_silence(self, *, now: float, dice: float) -> Reputation:
        """It did not answer, or answered nonsense: from the third time on it rests, longer each time."""
        failures = self.failures + 1
        counted = failures - _FORGIVEN
        rest = _SILENCE.seconds(counted, dice) if counted > 0 else 0.0
        return replace(self, failures=failures, rests_until=max(self.rests_until, now + rest))

    def after_lie(self, *, now: float, dice: float) -> Reputation:
        """It showed what is not so: it rests at once, and for long."""
        failures = self.failures + 1
        return replace(self, failures=failures, rests_until=now + _LIES.seconds(failures, dice))

    def rests(self, now: float) -> bool:
        """Whether it is not to be asked yet."""
        return now < self.rests_until

    @property
    def rank(self) -> tuple[int, float]:
        """Who comes first: fewer failures in a row, then sooner answers."""
        return self.failures, self.seconds
