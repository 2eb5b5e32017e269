"""Which fields of two JSON objects differ, as canonical JSON (RFC 8785) sees them.

Our own walk, not deepdiff: that one calls 1 and 1.0 different, though they have one canonical form, takes 0.4 ms for a
record with four edits, and 0.26 s and 200 modules (os, logging, pickle among them) to import into a package that does no I/O.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from reconciler.model.json import Json, JsonObject
from reconciler.plan.change import Edit, FieldDiff

_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def same(one: Json, other: Json) -> bool:
    """Whether two values have one canonical form: 1 and 1.0 have, 1 and true have not (Python says they are equal)."""
    if isinstance(one, str):
        return one == other
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, Sequence) and isinstance(other, Sequence) and not isinstance(other, str):
        return len(one) == len(other) and all(same(mine, its) for mine, its in zip(one, other, strict=True))
    return one == other


def field_diff(before: JsonObject, after: JsonObject, path: str = "") -> Iterator[FieldDiff]:
    """The fields that differ, sorted by key at each level, objects entered.

    A list is one value: when an element goes, the indexes behind it move, and a report by index would name fields that
    nobody edited.
    """
    for key in sorted(before.keys() | after.keys()):
        where = _join(path, key)
        if key not in before:
            yield FieldDiff(where, None, plain(after[key]), Edit.ADD)
        elif key not in after:
            yield FieldDiff(where, plain(before[key]), None, Edit.REMOVE)
        else:
            yield from _value_diff(before[key], after[key], where)


def plain(value: Json) -> Json:
    """A copy made of dicts and lists only, so that a plan equals the plan that was read back from its document."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return plain_object(value)
    if isinstance(value, Sequence):
        return [plain(element) for element in value]
    return value


def plain_object(value: JsonObject) -> dict[str, Json]:
    """`plain` of an object."""
    return {str(key): plain(element) for key, element in value.items()}


def _value_diff(before: Json, after: Json, path: str) -> Iterator[FieldDiff]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from field_diff(before, after, path)
    elif not same(before, after):
        yield FieldDiff(path, plain(before), plain(after), Edit.CHANGE)


def _join(path: str, key: str) -> str:
    if not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{json.dumps(key)}]"
    return f"{path}.{key}" if path else key
