"""The two encodings that are hashed and signed: canonical JSON (RFC 8785) and deterministic CBOR (RFC 8949 §4.2).

A reader accepts only the bytes that its own writer would have made of the value, so that one value has one hash. Our subset
of either is smaller than the standard: no JSON integer beyond 2^53 - 1 (other readers would round it), no CBOR tags and no
CBOR floats, nesting of at most `MAX_DEPTH`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from math import isfinite
from typing import Any, Final, NoReturn, TypeAlias

import cbor2
import rfc8785

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest
from reconciler.model.json import MAX_INTEGER, Json, is_exact

Cbor: TypeAlias = bool | int | str | bytes | Sequence["Cbor"] | Mapping[str, "Cbor"] | Mapping[bytes, "Cbor"] | None
"""What `canonical_cbor` takes and `parse_cbor` gives; arrays come back as lists, maps as dicts."""

MAX_BYTES: Final = 16 * 1024 * 1024
"""A document larger than this is refused before it is looked at."""

MAX_DEPTH: Final = 64

_CONTAINERS: Final = 1_000_000
"""Brackets in a JSON text; each costs twenty times its byte in memory."""

_VALUES: Final = 500_000
"""Numbers, texts, arrays and objects in what is written anew to be compared: each costs a microsecond or two."""

_CBOR_INTEGERS: Final = range(-(2**64), 2**64)

_TAGS: Final = (
    *(0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100),
    *(256, 258, 260, 261, 1004, 43000, 55799),
)
"""Tags that cbor2 would decode by itself, some of them (5: 2^n) at any cost that the sender likes."""


def sha256_hex(data: bytes) -> Digest:
    """The SHA-256 of some bytes."""
    return Digest(sha256(data).hexdigest())


def canonical_json(value: Json) -> bytes:
    """Write a value as RFC 8785 demands. Raises ValueError for what has no form there: NaN, lone surrogates, 2^53.

    Where there are no fractions, and keys are ASCII, Python's own encoder comes to the same bytes, and a good deal sooner.
    """
    odd: list[object] = []
    plain = _plain_json(value, MAX_DEPTH, odd)
    return rfc8785.dumps(plain) if odd else _encode(plain).encode()


_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode


def parse_canonical(data: bytes, what: str = "the document") -> Json:
    """Read canonical JSON, and nothing but canonical JSON. `what` names it in the VerificationError."""
    if sum(map(data.count, (b",", b"[", b"{"))) > _VALUES:
        raise VerificationError(f"{what} holds more than {_VALUES} values")
    _check_size(data, what)
    return parse_written(data, what)


def parse_written(data: bytes, what: str) -> Json:
    """The same of any size: for what this program wrote itself, and kept. Nobody else has chosen how large it is."""
    value = _read(data, what)
    try:
        canonical = canonical_json(value)
    except ValueError as error:
        raise VerificationError(f"{what} has no canonical form: {error}") from error
    if canonical != data:
        raise VerificationError(f"{what} is not canonical JSON (RFC 8785)")
    return value


_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(data: bytes, what: str) -> Json:
    """Read JSON in any spelling; duplicate keys, NaN, infinities, bad UTF-8 and half characters are refused.

    Raises VerificationError.
    """
    _check_size(data, what)
    return _read(data, what)


def _check_size(data: bytes, what: str) -> None:
    _bounded(data, what)
    if data.count(b"[") + data.count(b"{") > _CONTAINERS:
        raise VerificationError(f"{what} holds more than {_CONTAINERS} arrays and objects")


def _read(data: bytes, what: str) -> Json:
    try:
        value: Json = json.loads(
            data.decode(), object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
        )
        if _SURROGATE.search(data):  # a lone one could neither be stored nor be answered
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise VerificationError(f"{what} is not JSON: {_reason(error)}") from error
    return value


def canonical_cbor(value: Cbor) -> bytes:
    """Write a value as deterministic CBOR. Raises ValueError for what is not of our subset."""
    plain = _plain_cbor(value, MAX_DEPTH)
    try:
        return cbor2.dumps(plain, canonical=True)
    except cbor2.CBORError as error:
        raise ValueError(f"not to be written as CBOR: {error}") from error


def parse_cbor(data: bytes, what: str = "the CBOR") -> Any:
    """Read one deterministic CBOR item (a `Cbor`). `what` names it in the VerificationError."""
    _bounded(data, what)
    if _items(data) > _VALUES:
        raise VerificationError(f"{what} holds more than {_VALUES} values")
    try:
        value = cbor2.loads(
            data,
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            tag_hook=_no_tag,
            semantic_decoders=dict.fromkeys(_TAGS, _no_tag),
        )
        canonical = canonical_cbor(value)
    except (cbor2.CBORError, ValueError) as error:
        raise VerificationError(f"{what} is not CBOR as it is used here: {error}") from error
    if canonical != data:
        raise VerificationError(f"{what} is not in its deterministic form")
    return value


def _bounded(data: bytes, what: str) -> None:
    if len(data) > MAX_BYTES:
        raise VerificationError(f"{what} has {len(data)} bytes, more than {MAX_BYTES}")


def _items(data: bytes) -> int:
    """How many CBOR items follow one another, nested or not, as far as that can be told; counted to a little above the limit."""
    at = count = 0
    while at < len(data) and count <= _VALUES:
        major, info = data[at] >> 5, data[at] & 31
        width = 1 << (info - 24) if 24 <= info <= 27 else 0
        at += 1 + width
        if major in {2, 3}:  # texts and byte strings are passed over
            at += int.from_bytes(data[at - width : at], "big") if width else info
        count += 1
    return count


def _reason(error: ValueError | RecursionError) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key stands there twice")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("a number is too large")
    return number


def _no_tag(*_: object) -> NoReturn:
    raise ValueError("tags are not used")


def _plain_json(value: Json, depth: int, odd: list[object]) -> Any:
    """A copy of plain dicts and lists, which is what encoders take. Raises ValueError.

    `odd` gets what only rfc8785 knows how to spell (fractions), or to sort (keys beyond ASCII, by their UTF-16).
    """
    if depth < 0:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    match value:
        case str() | bool() | None:
            return value
        case int():
            if not -MAX_INTEGER <= value <= MAX_INTEGER:
                raise ValueError(f"{value} is beyond 2^53 - 1")
            return value
        case float():
            if not is_exact(value):
                raise ValueError(f"{value} would be written as an integer beyond 2^53 - 1")
            odd.append(value)
            return value
        case Mapping():
            odd += [key for key in value if not _is_plain(key)]
            return {key: _plain_json(item, depth - 1, odd) for key, item in value.items()}
        case Sequence() if not isinstance(value, bytes | bytearray):
            return [_plain_json(item, depth - 1, odd) for item in value]
    raise ValueError(f"not a JSON value: {type(value).__name__}")


def _is_plain(key: object) -> bool:
    return isinstance(key, str) and key.isascii()


def _plain_cbor(value: object, depth: int) -> Any:
    """A copy that holds nothing outside our subset. Raises ValueError."""
    if depth < 0:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    match value:
        case str() | bytes() | bool() | None:
            return value
        case int() if value in _CBOR_INTEGERS:
            return value
        case Mapping() if all(isinstance(key, str | bytes) for key in value):
            return {key: _plain_cbor(item, depth - 1) for key, item in value.items()}
        case list() | tuple():
            return [_plain_cbor(item, depth - 1) for item in value]
    raise ValueError(f"a value of type {type(value).__name__} is not used")
