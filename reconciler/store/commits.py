"""Where a commit waits for the disk: here, on the event loop, as long as the disk is quick; in a thread when it is not.

The way to a thread and back takes twice the processor time of what is written down here and the commit together, and wakes a
processor that sleeps. A disk that is slow, though, must not keep everybody waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_SLOW: Final = 0.002
"""Seconds from which on a commit is slow."""
_APART: Final = 50
"""So many are waited for in a thread after a slow one. There nobody knows how long the disk takes: the thread waits for its turn, too."""


class Commits:
    """How long they take here, as far as that is known."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._apart = 0

    def is_here(self) -> bool:
        """Whether the next one, which is due now, is to be waited for here."""
        if self._apart:
            self._apart -= 1
            return False
        return True

    def here(self, commit: Callable[[], None]) -> None:
        """Wait for one here. Raises what it raises."""
        begun = self._clock()
        try:
            commit()
        finally:
            if self._clock() - begun >= _SLOW:
                self._apart = _APART
