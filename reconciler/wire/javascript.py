"""JSON as `JSON.stringify` spells it: what the reference signs is its own spelling of what it parsed (WIRE §4.4)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

import rfc8785

from reconciler.model.errors import VerificationError
from reconciler.model.json import Json

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,9}")
_INDICES: Final = 2**32 - 1


def javascript_json(value: Json) -> bytes:
    """The bytes that JavaScript would make of a value after parsing it.

    Compact; keys that are array indices come first and ascend, as in JavaScript's objects. Raises VerificationError for what
    would not come back as it is: lone surrogates, NaN, integers that would be rounded.
    """
    try:
        return "".join(_spell(value)).encode()
    except (ValueError, OverflowError, RecursionError) as error:
        raise VerificationError("the JSON has a value that JavaScript would not repeat") from error


def _spell(value: Json) -> Iterator[str]:
    match value:
        case str():
            yield json.dumps(value, ensure_ascii=False)
        case None | bool():
            yield json.dumps(value)
        case int() | float():
            yield _number(value)
        case Mapping():
            yield "{"
            for comma, (key, item) in zip(_commas(), sorted(value.items(), key=_place), strict=False):
                yield f"{comma}{json.dumps(key, ensure_ascii=False)}:"
                yield from _spell(item)
            yield "}"
        case Sequence():
            yield "["
            for comma, item in zip(_commas(), value, strict=False):
                yield comma
                yield from _spell(item)
            yield "]"


def _number(value: float) -> str:
    spelled = rfc8785.dumps(float(value)).decode()  # which writes them as ECMAScript does
    if isinstance(value, int) and Decimal(spelled) != value:
        raise ValueError("an integer that is rounded")
    return spelled


def _commas() -> Iterator[str]:
    yield ""
    while True:
        yield ","


def _place(item: tuple[str, Json]) -> tuple[bool, int]:
    key = item[0]
    if _INDEX.fullmatch(key) is not None and int(key) < _INDICES:
        return False, int(key)
    return True, 0
