"""The texts, numbers and truth values of the language: each type reads a scalar's source text, and says what is wrong.

A plain scalar becomes a number only where a number is due. `yes`, `0777`, `1:30` and `2024-01-01` are therefore text where
text is due, and errors everywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from math import isinf
from typing import Annotated, Any, Final, TypeVar

from pydantic import BeforeValidator, WithJsonSchema

from reconciler.manifest.kinds.fault import fault
from reconciler.manifest.kinds.regions import REGIONS
from reconciler.manifest.tree import Items, Node, Plain, Table
from reconciler.model.amounts import MAX_SATOSHIS, Satoshis
from reconciler.model.ids import digest, name_fault
from reconciler.model.json import MAX_INTEGER, Json, is_exact

_DEEPEST: Final = 48
"""Mappings and lists in one another, of a value that is any JSON: documents and plans put some more around it (`wire.canonical.MAX_DEPTH`)."""
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_AMOUNT = re.compile(r"[0-9]+(_[0-9]+)*")
_AMOUNT_WITH_UNIT = re.compile(r"([1-9][0-9]*(?:_[0-9]+)*) *(?:sats?|satoshis?)", re.IGNORECASE)
_TRUTH = re.compile(r"true|false")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DECIMAL = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?")
_SIZE = re.compile(r"(0|[1-9][0-9]*)([kMGT]i?)?B?")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*(; ?[a-z0-9-]+=[A-Za-z0-9._-]+)*")
_FACTORS: Final[dict[str, int]] = {"": 1} | {
    prefix + binary: base**power
    for power, prefix in enumerate("kMGT", start=1)
    for binary, base in (("", 1000), ("i", 1024))
}

Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a scalar type is called, and an example of it; metadata for `explain`."""

    name: str
    example: str


def text(value: object) -> str:
    """Text of any length and number of lines, not empty; a number's source text is text, null and true are not."""
    if isinstance(value, Plain) and (value.is_null or value.is_truth):
        hint = "leave the field out" if value.is_null else f'write "{value}" in quotes if that is the text'
        raise fault("wrong-type", "{field} is not text", expected="text", hint=hint)
    if not isinstance(value, str):
        raise fault("wrong-type", "{field} is not text", expected="text")
    if _CONTROL.search(value):
        raise fault("wrong-value", "{field} contains a control character", expected="printable text")
    stripped = value.strip()
    if not stripped:
        raise fault("wrong-value", "{field} is empty", expected="text", hint="leave the field out")
    return stripped


def line(value: object) -> str:
    """Text on one line."""
    content = text(value)
    if "\n" in content:
        raise fault("wrong-value", "{field} has more than one line", expected="text on one line")
    return content


def name(value: object) -> str:
    """A record's name (PROTOCOL §2)."""
    content = line(value)
    problem = name_fault(content)
    if problem:
        raise fault("bad-name", f"the name {problem}", expected="a name such as btc-history or prices/btc_live")
    return content


def satoshis(value: object) -> int:
    """A whole amount of satoshis; `5_000` is 5000."""
    expected = "a whole number of satoshis, such as 5000 or 5_000"
    if not isinstance(value, Plain) or not _AMOUNT.fullmatch(value) or len(value) > 30:
        raise fault("wrong-type", "{field} is not an amount", expected=expected, hint=_bare_amount(value))
    if len(value) > 1 and value.startswith("0"):
        raise fault("wrong-type", "{field} begins with 0", expected=expected, hint="leave the leading zeros out")
    amount = int(value)
    if amount > MAX_SATOSHIS:
        raise fault(
            "wrong-value", "{field} is more than there will ever be", expected=f"at most {MAX_SATOSHIS} satoshis"
        )
    return Satoshis(amount)


def size(value: object) -> int:
    """A number of bytes, with or without a unit: `1024`, `100MB`, `64MiB`."""
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None or len(match[1]) > 16:
        raise fault("wrong-type", "{field} is not a size", expected="a number of bytes, such as 1024, 100MB or 64MiB")
    number = int(match[1]) * _FACTORS[match[2] or ""]
    if number > MAX_INTEGER:
        raise fault("wrong-value", "{field} is too large", expected=f"at most {MAX_INTEGER} bytes")
    return number


def truth(value: object) -> bool:
    """`true` or `false`, and nothing else."""
    if isinstance(value, Plain) and value.is_truth:
        return value == "true"
    raise fault("wrong-type", "{field} is not a truth value", expected="true or false", hint=unquote(value, _TRUTH))


def yes(value: object) -> bool:
    """`true`: the field says something by being there."""
    if not truth(value):
        raise fault("wrong-value", "{field} says nothing when it is false", expected="true", hint="leave the field out")
    return True


def factor(value: object) -> str:
    """An exact decimal above 1, as its text: `1.5`."""
    expected = "a number above 1, such as 1.5"
    if not isinstance(value, Plain) or not _DECIMAL.fullmatch(value) or len(value) > 30:
        raise fault("wrong-type", "{field} is not a number", expected=expected, hint=unquote(value, _DECIMAL))
    if Decimal(value) <= 1:
        raise fault("wrong-value", "{field} is too small", expected=expected)
    return str(value)


def sha256(value: object) -> str:
    """A SHA-256 in lower-case hex."""
    expected = "64 lower-case hex digits"
    content = line(value)
    try:
        return digest(content)
    except ValueError:
        raise fault("wrong-value", "{field} is not a SHA-256", expected=expected) from None


def region(value: object) -> str:
    """A country of ISO 3166, a group of countries, or `global`."""
    content = line(value)
    if content in REGIONS:
        return content
    near = [known for known in ("global", content.upper()) if known in REGIONS and known.lower() == content.lower()]
    raise fault(
        "wrong-value",
        "{field} is not a region",
        expected="global, US, EU, UK, APAC, LATAM, AFRICA, MEA or a country of ISO 3166",
        hint=f"did you mean '{near[0]}'?" if near else None,
    )


def media_type(value: object) -> str:
    """A media type, lower-case, such as `text/csv` or `text/csv; charset=utf-8`."""
    content = line(value)
    if not _MEDIA_TYPE.fullmatch(content):
        raise fault(
            "wrong-value", "{field} is not a media type", expected="a media type in lower case, such as text/csv"
        )
    return content


def json_object(value: object) -> dict[str, Json]:
    """Any mapping, its scalars typed by the rules of YAML 1.2."""
    if not isinstance(value, Table):
        raise fault("wrong-type", "{field} is not a mapping", expected="a mapping")
    return {key: _json(child, (key,)) for key, child in value.items()}


def _json(node: Node, at: tuple[str | int, ...]) -> Json:
    if len(at) > _DEEPEST:
        raise fault("too-deep", "{field} is nested too deeply", expected=f"at most {_DEEPEST} levels", at=at)
    if isinstance(node, Table):
        return {key: _json(child, (*at, key)) for key, child in node.items()}
    if isinstance(node, Items):
        return [_json(child, (*at, index)) for index, child in enumerate(node)]
    return _scalar(node, at) if isinstance(node, Plain) else node


def _scalar(plain: Plain, at: tuple[str | int, ...]) -> Json:
    if plain.is_null:
        return None
    if plain.is_truth:
        return plain == "true"
    if _INTEGER.fullmatch(plain):
        return _integer(plain, at)
    if _FLOAT.fullmatch(plain):
        return _float(plain, at)
    return str(plain)


def _integer(plain: Plain, at: tuple[str | int, ...]) -> int:
    number = int(plain) if len(plain) <= 20 else MAX_INTEGER + 1
    if abs(number) > MAX_INTEGER:
        raise fault(
            "wrong-value",
            "{field} is too large a number for JSON",
            expected=f"at most {MAX_INTEGER}",
            hint="quote it",
            at=at,
        )
    return number


def _float(plain: Plain, at: tuple[str | int, ...]) -> float:
    if re.match(r"[-+]?0[0-9]", plain):
        raise fault(
            "wrong-value", "{field} begins with 0", expected="a decimal number", hint="quote it if it is text", at=at
        )
    number = float(plain)
    if isinf(number) or not is_exact(number):
        raise fault(
            "wrong-value",
            "{field} is too large a number for JSON",
            expected=f"at most {MAX_INTEGER}",
            hint="quote it",
            at=at,
        )
    return number


def unquote(value: object, notation: re.Pattern[str]) -> str | None:
    """The hint for a number or truth value that was written as text."""
    if isinstance(value, Plain) or not isinstance(value, str):
        return None
    return "leave the quotes out" if notation.fullmatch(value) else None


def _bare_amount(value: object) -> str | None:
    """The hint for an amount that was written as text, or with its unit."""
    with_unit = _AMOUNT_WITH_UNIT.fullmatch(value) if isinstance(value, str) else None
    return f"write {with_unit[1]}" if with_unit else unquote(value, _AMOUNT)


def word(vocabulary: type[Word]) -> Callable[[object], Word]:
    """A reader of one of a closed set of words."""

    def read(value: object) -> Word:
        content = line(value)
        try:
            return vocabulary(content)
        except ValueError:
            words = [member.value for member in vocabulary]
            near = get_close_matches(content.lower(), words, n=1)
            hint = f"did you mean '{near[0]}'?" if near else None
            raise fault(
                "wrong-value", "{field} is a word that is not known here", expected=" | ".join(words), hint=hint
            ) from None

    return read


NOTHING: Final[dict[str, Any]] = {"not": {}}
"""The JSON Schema that no value fits."""
_TEXT_SCHEMA = {"type": ["string", "number"]}

Text = Annotated[str, BeforeValidator(text), WithJsonSchema(_TEXT_SCHEMA), Shape("text", "Some words")]
Line = Annotated[str, BeforeValidator(line), WithJsonSchema(_TEXT_SCHEMA), Shape("text on one line", "Some words")]
Name = Annotated[
    str,
    BeforeValidator(name),
    WithJsonSchema({"type": ["string", "number"], "maxLength": 253}),
    Shape("name", "prices/btc_live"),
]
Amount = Annotated[
    int,
    BeforeValidator(satoshis),
    WithJsonSchema({"type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9_]+$"}),
    Shape("satoshis", "5_000"),
]
Size = Annotated[
    int,
    BeforeValidator(size),
    WithJsonSchema({"type": ["integer", "string"], "minimum": 0, "pattern": f"^{_SIZE.pattern}$"}),
    Shape("size", "100MB"),
]
Truth = Annotated[bool, BeforeValidator(truth), Shape("true or false", "true")]
Yes = Annotated[bool, BeforeValidator(yes), WithJsonSchema({"const": True}), Shape("true", "true")]
Factor = Annotated[
    str,
    BeforeValidator(factor),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 1}),
    Shape("number above 1", "1.5"),
]
Sha256 = Annotated[
    str,
    BeforeValidator(sha256),
    WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{64}$"}),
    Shape("SHA-256 in hex", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
]
Region = Annotated[str, BeforeValidator(region), WithJsonSchema({"enum": sorted(REGIONS)}), Shape("region", "EU")]
MediaType = Annotated[
    str,
    BeforeValidator(media_type),
    WithJsonSchema({"type": "string", "pattern": f"^{_MEDIA_TYPE.pattern}$"}),
    Shape("media type", "text/csv"),
]
JsonMapping = Annotated[dict[str, Any], BeforeValidator(json_object), Shape("any mapping", "{type: object}")]
