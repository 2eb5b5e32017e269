"""Reading what the root seals for its gateway (PROTOCOL §3): closed vocabularies, and nothing is guessed.

A setting that says something which this version does not know may forbid what this version would do. So it is not read in
part: the goods that it is about are not sold, and the log says which setting it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reconciler.model.amounts import Satoshis, satoshis
from reconciler.model.durations import seconds
from reconciler.model.errors import StateError, VerificationError
from reconciler.model.json import Json
from reconciler.wire.fields import Fields, read_object

T = TypeVar("T")


def read_setting(value: Json, what: str, read: Callable[[Fields], T]) -> T:
    """Read a sealed setting, which `what` names, whole by `read`. Raises StateError for what cannot be read."""
    try:
        return read_object(value, what, read)
    except VerificationError as error:
        hint = "what was applied with a newer version is served by one that is as new"
        raise StateError(f"a sealed setting cannot be read: {error.message}", hint=hint) from error


def amount(fields: Fields, name: str) -> Satoshis:
    """Whole satoshis. Raises VerificationError."""
    return fields.built(name, satoshis, fields.integer(name))


def length(fields: Fields, name: str) -> int:
    """A duration, in seconds. Raises VerificationError."""
    return fields.parsed(name, seconds)
