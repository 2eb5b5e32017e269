"""What a YAML document is before anybody asks for types: tables, lists and texts that know where they were written.

A plain scalar keeps its source text, so `version: 1.10` is still `1.10` when a model asks for text and `[NO]` is Norway;
what it is as a number, a truth value or null is decided by the model that reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Final, NewType, TypeAlias

from reconciler.model.source import SourceSpan

Place = NewType("Place", int)
"""Line and column, from 0, in one number: the garbage collector need not follow the hundred thousands of them."""

START: Final = Place(0)


def place(line: int, column: int) -> Place:
    """A place in a file; line and column count from 0, the column in characters."""
    return Place(line << 32 | column)


def span(file: str, where: Place) -> SourceSpan:
    """The place as people count: from 1."""
    line, column = line_and_column(where)
    return SourceSpan(file, line, column)


def line_and_column(where: Place) -> tuple[int, int]:
    """Line and column of a place, from 1."""
    return (where >> 32) + 1, (where & 0xFFFFFFFF) + 1


class Plain(str):
    """The source text of a scalar without quotes; a quoted scalar is an ordinary `str`."""

    __slots__ = ()

    @property
    def is_null(self) -> bool:
        """Whether the core schema reads this text as null."""
        return self in _NULLS

    @property
    def is_truth(self) -> bool:
        """Whether the core schema, as far as this language takes it, reads this text as true or false."""
        return self in _TRUTHS


_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTHS = frozenset({"true", "false"})


class Table(dict[str, "Node"]):
    """A mapping; `places` has those of each key and of its value, one after the other, in the order of the keys.

    A list, for one is read for a handful of fields, but written for all.
    """

    __slots__ = ("_order", "place", "places")

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.places: list[Place] = []
        self._order: dict[str, int] | None = None

    def key_place(self, key: str) -> Place:
        """Where a key that is there begins."""
        return self.places[2 * self._index(key)]

    def value_place(self, key: str) -> Place:
        """Where the value of a key that is there begins."""
        return self.places[2 * self._index(key) + 1]

    def _index(self, key: str) -> int:
        """Which one of the keys it is: counted on from where the last one who asked has come to, however many of them are faults."""
        order = self._order = {} if self._order is None else self._order
        for fresh in reversed(list(takewhile(lambda each: each not in order, reversed(self)))):
            order[fresh] = len(order)
        return order[key]


class Items(list["Node"]):
    """A sequence; `places` has that of each item."""

    __slots__ = ("place", "places")

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.places: list[Place] = []


Node: TypeAlias = Table | Items | str
Path: TypeAlias = Sequence[str | int]
"""Keys and indices from a document's root to a node."""


def find(root: Node, path: Path) -> Node:
    """The node at `path`; a step that leads nowhere (a union's tag, a missing field) is skipped."""
    node = root
    for step in path:
        if isinstance(node, Table) and isinstance(step, str):
            node = node.get(step, node)
        elif isinstance(node, Items) and isinstance(step, int) and step < len(node):
            node = node[step]
    return node


def place_of(root: Table, path: Path, *, key: bool = False) -> Place:
    """Where the scalar at `path` begins, or its key; the key also for tables and lists. As far as the path leads."""
    node: Node = root
    key_place = value_place = root.place
    for step in path:
        if isinstance(node, Table) and isinstance(step, str) and step in node:
            key_place, value_place = node.key_place(step), node.value_place(step)
            node = node[step]
        elif isinstance(node, Items) and isinstance(step, int) and step < len(node):
            key_place = value_place = node.places[step]
            node = node[step]
    return key_place if key or isinstance(node, Table | Items) else value_place


def shown(node: Node) -> str:
    """A node as a diagnostic's `found`: short, on one line, quoted as it was written."""
    if isinstance(node, Table):
        return "a mapping"
    if isinstance(node, Items):
        return "a list"
    if isinstance(node, Plain):
        return _short(node) if node else "nothing (null)"
    return f'"{_short(node)}"'


def _short(text: str, limit: int = 60) -> str:
    line = " ".join(text[: 2 * limit].split())
    return line if len(line) <= limit and len(text) <= 2 * limit else f"{line[:limit]}..."
