"""Numbers with a meaning: counts, durations, percentages, shares, dates, capabilities."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BeforeValidator, WithJsonSchema

from reconciler.manifest.kinds.fault import fault
from reconciler.manifest.kinds.scalars import Shape, line, unquote
from reconciler.manifest.tree import Plain
from reconciler.model.capabilities import capability_fault
from reconciler.model.durations import duration as duration_text
from reconciler.model.durations import milliseconds

ALWAYS: Final = "24/7"

_COUNT = re.compile(r"[0-9]+(_[0-9]+)*")
_DECIMAL = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?")
_PLACES: Final = Decimal("0.01")
_DURATION_PATTERN: Final = "^[1-9][0-9]*(ms|s|m|h|d)$"


def count(lowest: int, highest: int) -> Callable[[object], int]:
    """A reader of whole numbers between two limits; `1_000` is 1000."""
    expected = f"a whole number from {lowest} to {highest}"

    def read(value: object) -> int:
        if not isinstance(value, Plain) or not _COUNT.fullmatch(value) or (len(value) > 1 and value.startswith("0")):
            raise fault("wrong-type", "{field} is not a count", expected=expected, hint=unquote(value, _COUNT))
        number = int(value) if len(value) <= 20 else highest + 1
        if not lowest <= number <= highest:
            raise fault("wrong-value", "{field} is out of range", expected=expected)
        return number

    return read


def duration(value: object) -> str:
    """A length of time, as its one text (`model.durations`)."""
    expected = "a duration, such as 500ms, 10s, 24h or 7d"
    content = line(value)
    try:
        return duration_text(milliseconds(content))
    except ValueError:
        raise fault("wrong-value", "{field} is not a duration", expected=expected) from None


def percentage(value: object) -> str:
    """A part of a hundred with its sign, `20%`, with at most two decimals."""
    expected = "a percentage from 0% to 100%, such as 20% or 2.5%"
    content = line(value)
    if not content.endswith("%"):
        raise fault("wrong-value", "{field} is not a percentage", expected=expected, hint="write the % behind it")
    number = _hundredths(content[:-1])
    if number is None:
        raise fault("wrong-value", "{field} is not a percentage", expected=expected)
    return f"{number}%"


def availability(value: object) -> str:
    """0 to 100, with at most two decimals, or `24/7`."""
    content = line(value)
    if content == ALWAYS:
        return content
    number = _hundredths(content)
    if number is None:
        hint = "leave the % out" if content.endswith("%") else None
        raise fault("wrong-value", "{field} is not an availability", expected="0 to 100, or 24/7", hint=hint)
    return number


def share(value: object) -> str:
    """An exact decimal above 0 and at most 1, from its text."""
    expected = "a share above 0 and at most 1, such as 0.05"
    if not isinstance(value, Plain) or not _DECIMAL.fullmatch(value) or len(value) > 30:
        raise fault("wrong-type", "{field} is not a share", expected=expected, hint=unquote(value, _DECIMAL))
    number = Decimal(value)
    if not 0 < number <= 1:
        raise fault("wrong-value", "{field} is not a share", expected=expected)
    return _plain(number)


def day(value: object) -> str:
    """A day of the calendar, `2027-01-31`."""
    expected = "a date such as 2027-01-31"
    content = line(value)
    try:
        found = date.fromisoformat(content).isoformat()
    except ValueError:
        found = ""
    if found != content:  # other spellings of ISO 8601, such as 20270131 and 2027-W04-7, are refused
        raise fault("wrong-value", "{field} is not a date", expected=expected)
    return found


def capability(value: object) -> str:
    """What a good or service is found by (PROTOCOL §8)."""
    content = line(value)
    problem = capability_fault(content)
    if problem is None:
        return content
    nearly = content.lower().replace("_", "-")
    hint = f"did you mean '{nearly}'?" if capability_fault(nearly) is None else None
    raise fault("wrong-value", f"{{field}} {problem}", expected="words such as crypto-price-feeds", hint=hint)


def _hundredths(text: str) -> str | None:
    """A decimal of 0 to 100 as its shortest text, if it is one; the database keeps two decimals."""
    if not _DECIMAL.fullmatch(text) or len(text) > 10:
        return None
    number = Decimal(text)
    return _plain(number) if number <= 100 and number == number.quantize(_PLACES) else None


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


_COUNT_SCHEMA = {"type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9_]+$"}

Count = Annotated[int, BeforeValidator(count(1, 10**9)), WithJsonSchema(_COUNT_SCHEMA), Shape("count", "100")]
"""A whole number above 0."""
SmallCount = Annotated[int, BeforeValidator(count(1, 1000)), WithJsonSchema(_COUNT_SCHEMA), Shape("count", "3")]
"""A whole number from 1 to 1000."""
Depth = Annotated[int, BeforeValidator(count(1, 200)), WithJsonSchema(_COUNT_SCHEMA), Shape("count", "6")]
"""Blocks."""
Duration = Annotated[
    str,
    BeforeValidator(duration),
    WithJsonSchema({"type": "string", "pattern": _DURATION_PATTERN}),
    Shape("duration", "24h"),
]
Percentage = Annotated[
    str,
    BeforeValidator(percentage),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,2})?%$"}),
    Shape("percentage", "20%"),
]
Availability = Annotated[
    str,
    BeforeValidator(availability),
    WithJsonSchema({"anyOf": [{"const": ALWAYS}, {"type": "number", "minimum": 0, "maximum": 100}]}),
    Shape("0-100 or 24/7", "99.9"),
]
Share = Annotated[
    str,
    BeforeValidator(share),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
    Shape("exact decimal", "0.05"),
]
Day = Annotated[
    str,
    BeforeValidator(day),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}),
    Shape("date", "2027-12-31"),
]
Capability = Annotated[
    str,
    BeforeValidator(capability),
    WithJsonSchema({"type": "string", "pattern": "^[a-z]+(-[a-z]+)*$", "maxLength": 42}),
    Shape("capability", "crypto-price-feeds"),
]
