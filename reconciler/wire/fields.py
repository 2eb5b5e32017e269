"""Reading a JSON object that came from outside, field by field, so that nothing is missed and nothing is left over."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import TypeVar, final

from reconciler.model.errors import VerificationError
from reconciler.model.json import Json, JsonObject

T = TypeVar("T")


@final
class Fields:
    """The fields of one object, each asked for once, by type. Every method raises VerificationError.

    `what` names the object in those.
    """

    def __init__(self, value: JsonObject, what: str) -> None:
        self._left = dict(value)
        self._what = what

    def text(self, name: str) -> str:
        """A string."""
        value = self._take(name)
        if not isinstance(value, str):
            raise self._wrong(name, "a string")
        return value

    def integer(self, name: str, *, least: int = 0) -> int:
        """A whole number, `least` or more."""
        value = self._take(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self._wrong(name, f"a whole number from {least}")
        return value

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._take(name)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def json_object(self, name: str) -> JsonObject:
        """An object, as it is."""
        value = self._take(name)
        if not isinstance(value, Mapping):
            raise self._wrong(name, "an object")
        return value

    def nested(self, name: str, read: Callable[[Fields], T]) -> T:
        """An object, read whole by `read`."""
        return read_object(self._take(name), f"{name!r} of {self._what}", read)

    def items(self, name: str, read: Callable[[Fields], T]) -> tuple[T, ...]:
        """An array of objects, each read whole by `read`."""
        value = self._take(name)
        if not isinstance(value, list):
            raise self._wrong(name, "an array")
        return tuple(read_object(item, f"an item of {name!r} of {self._what}", read) for item in value)

    def array(self, name: str) -> tuple[Json, ...]:
        """An array, as it is."""
        value = self._take(name)
        if not isinstance(value, list):
            raise self._wrong(name, "an array")
        return tuple(value)

    def parsed(self, name: str, parse: Callable[[str], T]) -> T:
        """A string that `parse` understands; its ValueError becomes a VerificationError."""
        return self.built(name, parse, self.text(name))

    def json_objects(self, name: str) -> tuple[JsonObject, ...]:
        """An array of objects, as they are."""
        value = self._take(name)
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            raise self._wrong(name, "an array of objects")
        return tuple(value)

    def base64(self, name: str, *, size: int | None = None) -> bytes:
        """Bytes, as base64 in its one canonical spelling; exactly `size` of them, if given."""
        text = self.text(name)
        try:
            data = base64.b64decode(text, validate=True)
        except ValueError as error:
            raise self._wrong(name, "base64") from error
        if base64.b64encode(data).decode() != text:
            raise self._wrong(name, "base64")
        if size is not None and len(data) != size:
            raise self._wrong(name, f"{size} bytes of base64")
        return data

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        """What `read`, a method of this object, finds there, or None where the field is null."""
        if name in self._left and self._left[name] is None:
            del self._left[name]
            return None
        return read(name)

    def given(self, name: str, read: Callable[[str], T]) -> T | None:
        """What `read`, a method of this object, finds there, or None where there is no such field."""
        return read(name) if name in self._left else None

    def built(self, name: str, make: Callable[..., T], *parts: object) -> T:
        """Call a constructor that checks; its ValueError becomes a VerificationError about the field `name`."""
        try:
            return make(*parts)
        except ValueError as error:
            raise VerificationError(f"{name!r} of {self._what} is wrong: {error}") from error

    def end(self) -> None:
        """Raises VerificationError where a field was not asked for."""
        if self._left:
            raise VerificationError(f"{self._what} has unknown fields: {', '.join(sorted(self._left))}")

    def _take(self, name: str) -> Json:
        if name not in self._left:
            raise VerificationError(f"{self._what} lacks {name!r}")
        return self._left.pop(name)

    def _wrong(self, name: str, expected: str) -> VerificationError:
        return VerificationError(f"{name!r} of {self._what} is not {expected}")


def read_object(value: Json, what: str, read: Callable[[Fields], T]) -> T:
    """Read a JSON object by `read`, which must ask for all its fields. Raises VerificationError, naming it `what`."""
    if not isinstance(value, Mapping):
        raise VerificationError(f"{what} is not a JSON object")
    fields = Fields(value, what)
    result = read(fields)
    fields.end()
    return result
