"""Lengths of time as manifests and documents write them: `500ms`, `10s`, `24h`, `7d`."""

from __future__ import annotations

import re
from typing import Final

MAX_MILLISECONDS: Final = 100 * 366 * 86_400_000
"""A hundred years: what is longer was not meant."""

_UNITS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
"""From the largest on."""
_FORM = re.compile(r"([1-9][0-9]{0,15})(ms|s|m|h|d)")


def milliseconds(text: str) -> int:
    """The length in milliseconds. Raises ValueError."""
    match = _FORM.fullmatch(text)
    length = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < length <= MAX_MILLISECONDS:
        raise ValueError(f"not a duration, such as 500ms, 10s, 24h or 7d: {text!r}")
    return length


def seconds(text: str) -> int:
    """The length in whole seconds, rounded up. Raises ValueError."""
    return -(-milliseconds(text) // 1000)


def duration(length: int) -> str:
    """The one text of a length in milliseconds: the largest unit that divides it, so that 60s and 1m are the same."""
    unit = next(unit for unit, factor in _UNITS.items() if length % factor == 0)
    return f"{length // _UNITS[unit]}{unit}"
