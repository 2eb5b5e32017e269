"""Reading a stranger's query, field by field and type by type; what is not known is refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, TypeVar

from reconciler.model.errors import RefusedError
from reconciler.model.ids import Outpoint
from reconciler.model.json import Json
from reconciler.store.listings import Page

PAGE: Final = 50
"""Outputs in one answer, at most and by default (PROTOCOL §2: the reference's resolver is quadratic in them)."""

_TEXT: Final = 1024
_SKIP: Final = 10_000_000

T = TypeVar("T")


class Query:
    """A JSON object of which every field is among `known`. Raises RefusedError, as do all its methods."""

    def __init__(self, value: Json, known: Collection[str], whole: str = "the query") -> None:
        if not isinstance(value, Mapping):
            raise RefusedError(f"{whole} must be a JSON object")
        unknown = sorted(set(value) - set(known))
        if unknown:
            raise RefusedError(f"{whole} has an unknown field: {unknown[0][:80]!r}")
        self._value = value
        self._whole = whole

    def read(self, name: str, parse: Callable[[str], T]) -> T | None:
        """A text field as `parse` understands it; its ValueError is a refusal. None where it is absent."""
        value = self._value.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > _TEXT:
            raise RefusedError(f"{self._whole}'s {name} must be a text of at most {_TEXT} characters")
        try:
            return parse(value)
        except ValueError as error:
            raise RefusedError(f"{self._whole}'s {name} is wrong: {error}") from error

    def integer(self, name: str, least: int, most: int) -> int | None:
        """A whole number in range, or None."""
        value = self._value.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise RefusedError(f"{self._whole}'s {name} must be a whole number from {least} to {most}")
        return value

    def flag(self, name: str) -> bool:
        """True or false; false where it is absent."""
        value = self._value.get(name, False)
        if not isinstance(value, bool):
            raise RefusedError(f"{self._whole}'s {name} must be true or false")
        return value

    def is_whole(self, name: str) -> bool:
        """Whether a field that may be several things is a whole number."""
        value = self._value.get(name)
        return isinstance(value, int) and not isinstance(value, bool)

    def within(self, name: str, known: Collection[str]) -> Query | None:
        """An object, read as strictly as the query itself; None where it is absent."""
        value = self._value.get(name)
        return None if value is None else Query(value, known, f"{self._whole}'s {name}")

    def texts(self, name: str, most: int) -> tuple[str, ...] | None:
        """A list of at most so many texts, or None."""
        value = self._value.get(name)
        if value is None:
            return None
        if isinstance(value, list) and len(value) <= most:
            texts = tuple(item for item in value if isinstance(item, str) and len(item) <= _TEXT)
            if len(texts) == len(value):
                return texts
        raise RefusedError(f"{self._whole}'s {name} must be a list of at most {most} texts")

    def outpoint(self) -> Outpoint | None:
        """The field `outpoint`, `txid.vout`."""
        return self.read("outpoint", Outpoint.parse)

    def page(self) -> Page:
        """The fields `limit` and `skip`."""
        limit = self.integer("limit", 1, PAGE)
        return Page(PAGE if limit is None else limit, self.integer("skip", 0, _SKIP) or 0)
