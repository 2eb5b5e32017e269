"""Reading JSON that somebody may have edited: every field known, every field there, every type exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from reconciler.model.json import Json, JsonObject


@dataclass(frozen=True, slots=True)
class Fields:
    """One object whose field names have been checked. Every method raises ValueError for another type than it names."""

    values: JsonObject
    where: str

    @classmethod
    def of(cls, value: Json, where: str, names: Iterable[str]) -> Self:
        """Raises ValueError unless `value` is an object with exactly the fields `names`."""
        if not isinstance(value, Mapping):
            raise _fault(where, "an object")
        expected = set(names)
        for name in sorted(value.keys() ^ expected):
            raise ValueError(f"{where} has {'no' if name in expected else 'an unknown'} field {name!r}")
        return cls(value, where)

    def text(self, name: str) -> str:
        """A string."""
        value = self.values[name]
        if not isinstance(value, str):
            raise self._fault(name, "a text")
        return value

    def optional_text(self, name: str) -> str | None:
        """A string or null."""
        return None if self.values[name] is None else self.text(name)

    def integer(self, name: str) -> int:
        """A whole number; true and 1.0 are none."""
        value = self.values[name]
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._fault(name, "a whole number")
        return value

    def optional_integer(self, name: str) -> int | None:
        """A whole number or null."""
        return None if self.values[name] is None else self.integer(name)

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self.values[name]
        if not isinstance(value, bool):
            raise self._fault(name, "true or false")
        return value

    def object(self, name: str) -> JsonObject:
        """An object whose own fields are free."""
        value = self.values[name]
        if not isinstance(value, Mapping):
            raise self._fault(name, "an object")
        return value

    def optional_object(self, name: str) -> JsonObject | None:
        """An object or null."""
        return None if self.values[name] is None else self.object(name)

    def elements(self, name: str) -> Sequence[Json]:
        """A list."""
        value = self.values[name]
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise self._fault(name, "a list")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        elements = self.elements(name)
        texts = tuple(element for element in elements if isinstance(element, str))
        if len(texts) != len(elements):
            raise self._fault(name, "a list of texts")
        return texts

    def nested(self, name: str, names: Iterable[str]) -> Fields:
        """An object with exactly the fields `names`."""
        return Fields.of(self.values[name], f"{self.where}.{name}", names)

    def optional_nested(self, name: str, names: Iterable[str]) -> Fields | None:
        """Such an object or null."""
        return None if self.values[name] is None else self.nested(name, names)

    def each(self, name: str, names: Iterable[str]) -> tuple[Fields, ...]:
        """A list of such objects."""
        known = tuple(names)
        elements = enumerate(self.elements(name))
        return tuple(Fields.of(element, f"{self.where}.{name}[{index}]", known) for index, element in elements)

    def _fault(self, name: str, expected: str) -> ValueError:
        return _fault(f"{self.where}.{name}", expected)


def _fault(where: str, expected: str) -> ValueError:
    return ValueError(f"{where} is not {expected}")
