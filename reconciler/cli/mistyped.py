"""A value that is not what its option or argument takes, in this program's words instead of its libraries'."""

from __future__ import annotations

import re
from typing import Any, Final, Protocol, runtime_checkable

import typer

from reconciler.model.errors import UsageError

_AMOUNT: Final = "SAT"
"""How options that take satoshis call their value."""
_LED_BY_A_NUMBER: Final = re.compile(r"([0-9][0-9_]*)\s*[A-Za-z]+")


@runtime_checkable
class _Refusal(Protocol):
    """What Typer's own parser raises."""

    def errors(self) -> list[Any]: ...


def mistyped(error: typer.BadParameter) -> UsageError | None:
    """What was typed where something else is due; None for what the library has to say itself."""
    parameter: Any = error.param
    kind = getattr(parameter, "type_descriptor", None)
    refusal: object = error.__cause__
    if kind is None or not isinstance(refusal, _Refusal):
        return None
    found = str(refusal.errors()[0]["input"])
    where = parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar
    if kind.choices:
        words = ", ".join(str(each.value) for each in kind.choices)
        return UsageError(f"{found!r} is not one of these words: {words}", where=where)
    if not _is_whole(kind.annotation):
        return None
    number = _LED_BY_A_NUMBER.fullmatch(found)
    unit = " of satoshis" if parameter.metavar == _AMOUNT else ""
    limits = _limits(kind.parameter_info.min, kind.parameter_info.max)
    return UsageError(
        f"{found!r} is not a whole number{unit}{limits}", where=where, hint=f"write {number[1]}" if number else None
    )


def _is_whole(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, int)


def _limits(lowest: float | None, highest: float | None) -> str:
    if lowest is None:
        return ""
    return f" from {lowest} on" if highest is None else f" from {lowest} to {highest}"
