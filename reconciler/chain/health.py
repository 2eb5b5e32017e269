"""Whether it is worth asking somebody who failed: a circuit that opens after failures in a row, for longer each time. Pure.

A slow answer is a failure as well: while one is waited for, somebody pays and is not served.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reconciler.model.backoff import Backoff

FAILURES: Final = 3
"""In a row, after which nobody asks for a while."""

SLOW: Final = 10.0
"""Seconds: twice of what ARC may wait for the status that we ask for."""

_REST: Final = Backoff(first=10.0, most=300.0)


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of one provider. Times are in seconds of one clock."""

    failures: int = 0
    """In a row."""
    rests_until: float = 0.0

    def asked(self, now: float, *, took: float, answered: bool) -> Health:
        """After a question that took so long. After its rest it is asked once: where that fails, it rests for longer."""
        if answered and took < SLOW:
            return Health()
        failures = self.failures + 1
        rest = _REST.seconds(failures - FAILURES + 1, 1.0) if failures >= FAILURES else 0.0
        return Health(failures, now + rest)

    def rests(self, now: float) -> bool:
        """Whether it is left out, as long as there is somebody else."""
        return now < self.rests_until
