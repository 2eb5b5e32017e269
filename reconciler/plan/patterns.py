"""Patterns of object addresses, as `--target`, `--exclude` and `--replace` take them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Self

from reconciler.model.errors import UsageError
from reconciler.model.ids import Address, Kind, ObjectType, SettingKind

_PATTERN: Final = re.compile(r"[a-z0-9._/@*?\[\]!-]+")


@dataclass(frozen=True, slots=True)
class Patterns:
    """Any of several globs. `*` stands for slashes too: `dataset/weather/*`, `replica/*@storage-eu`."""

    globs: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Read them; a bare `kind/name` is the address of a record or setting. Raises UsageError."""
        return cls(tuple(_full(text) for text in texts))

    def __bool__(self) -> bool:
        return bool(self.globs)

    def matches(self, address: Address) -> bool:
        """Whether one of them matches."""
        return any(fnmatchcase(str(address), glob) for glob in self.globs)

    def unmatched(self, addresses: Iterable[Address]) -> tuple[str, ...]:
        """Those that match none of `addresses`."""
        texts = [str(address) for address in addresses]
        return tuple(glob for glob in self.globs if not any(fnmatchcase(text, glob) for text in texts))


def _full(text: str) -> str:
    if not _PATTERN.fullmatch(text):
        raise UsageError(
            f"not the address of an object, or a pattern of addresses: {text!r}",
            hint="record/KIND/NAME, replica/NAME@HOST, setting/KIND/NAME, ship/TOPIC, slap/SERVICE; * stands for anything",
        )
    head = text.partition("/")[0]
    if head in set(Kind):
        return f"{ObjectType.RECORD}/{text}"
    return f"{ObjectType.SETTING}/{text}" if head in set(SettingKind) else text
