"""How long to wait before something that failed is tried again: doubling, with jitter, up to a limit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waiting times in seconds."""

    first: float
    most: float

    def seconds(self, failures: int, dice: float) -> float:
        """After so many failures in a row (from 1 on); `dice`, from 0 to 1, spreads those who failed together."""
        doubled = self.first * 2.0 ** min(failures - 1, 64)
        return min(self.most, doubled) * (0.5 + dice / 2)
