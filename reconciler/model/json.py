"""JSON values, as they stand in documents and plans: frozen by convention, compared by value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
JsonObject: TypeAlias = Mapping[str, Json]

MAX_INTEGER: Final = 2**53 - 1
"""Beyond it readers round integers."""
_DIGITS_UNTIL: Final = 1e21
"""From here on RFC 8785 writes a number with an exponent."""


def is_exact(number: float) -> bool:
    """Whether every reader of canonical JSON gets this number back: those between `MAX_INTEGER` and 10^21 look like integers there."""
    return not MAX_INTEGER < abs(number) < _DIGITS_UNTIL
