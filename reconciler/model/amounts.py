"""Amounts of money: whole satoshis, never floats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

Satoshis = NewType("Satoshis", int)

MAX_SATOSHIS = 2_100_000_000_000_000
"""21 million coins; an amount above this is not an amount (PROTOCOL §1)."""


def satoshis(value: int) -> Satoshis:
    """Check and return an amount of 0 to 21e14 satoshis. Raises ValueError."""
    if not 0 <= value <= MAX_SATOSHIS:
        raise ValueError(f"not an amount of satoshis: {value}")
    return Satoshis(value)


@dataclass(frozen=True, slots=True)
class FeeRate:
    """A mining fee as ARC's policy states it: so many satoshis for so many bytes."""

    satoshis: int
    bytes: int

    def __post_init__(self) -> None:
        if self.satoshis < 0 or self.bytes < 1:
            raise ValueError(f"not a fee rate: {self.satoshis} satoshis for {self.bytes} bytes")

    def fee(self, size: int) -> Satoshis:
        """The fee of a transaction of `size` bytes, rounded up, at least 1 satoshi."""
        return satoshis(max(1, -(-size * self.satoshis // self.bytes)))
