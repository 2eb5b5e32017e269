"""YAML text to trees with positions, at the speed of libyaml.

libyaml delivers events; what they mean is decided here, because PyYAML speaks YAML 1.1 and this language is a strict subset
of 1.2 (MANIFESTS §1): no tags, merge keys or duplicate keys, keys are texts, and aliases may not make a document much larger
than its file. Nothing is given a type (see `tree`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml import AliasEvent, DocumentStartEvent, MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent
from yaml._yaml import CParser

from reconciler.manifest.encoding import UnreadableError, check_bytes, first_tab, unreadable
from reconciler.manifest.tree import Items, Node, Place, Plain, Table, line_and_column, span
from reconciler.model.diagnostics import Diagnostic

MAX_DEPTH: Final = 64
MAX_SCALAR: Final = 64 * 1024
"""Characters."""
MAX_ALIASED_NODES: Final = 20_000
"""Nodes of one document, where aliases are among them."""

Event = Any
"""An event of libyaml; PyYAML's types do not say which attributes each has."""


@dataclass(slots=True)
class Tree:
    """One document: its root, None where it is empty, and what is wrong with its notation."""

    root: Node | None
    faults: list[Diagnostic] = field(default_factory=list)
    has_dollar: bool = False
    """Whether there may be variables in it; they are not filled in yet."""


def parse(data: bytes, file: str) -> Iterator[Tree]:
    """The documents of a file, one after the other. Raises UnreadableError where it cannot be read on."""
    check_bytes(data, file)
    tab = first_tab(data, file)
    try:
        for tree in _Composer(data, file).documents():
            if tab is not None:
                tree.faults.append(tab)
                tab = None
            yield tree
    except yaml.YAMLError as error:
        raise UnreadableError(unreadable(error, data, file)) from error


class _Composer:
    """Builds trees from libyaml's events, by descent; `MAX_DEPTH` bounds it."""

    def __init__(self, data: bytes, file: str) -> None:
        self._next: Callable[[], Event] = CParser(data).get_event
        self._file = file
        self._faults: list[Diagnostic] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._size = 0
        self._depth = 0
        self._has_dollar = False

    def documents(self) -> Iterator[Tree]:
        for event in iter(self._next, None):
            if type(event) is DocumentStartEvent:
                yield self._document()

    def _document(self) -> Tree:
        self._faults, self._anchors, self._size, self._depth, self._has_dollar = [], {}, 0, 0, False
        root = self._node(self._next())
        return Tree(None if isinstance(root, Plain) and root.is_null else root, self._faults, self._has_dollar)

    def _node(self, event: Event) -> Node:
        # The hot path: one call a node, and the first test is the one that mostly holds.
        if type(event) is ScalarEvent and event.anchor is None:
            text: str = event.value
            if event.tag is None and len(text) <= MAX_SCALAR and "$" not in text:
                self._size += 1
                return Plain(text) if event.implicit[0] else text
            return self._scalar(event)
        if type(event) is AliasEvent:
            return self._alias(event)
        before = self._size
        node = self._scalar(event) if type(event) is ScalarEvent else self._collection(event)
        if event.anchor is not None:
            # Only now, so that an alias inside its own anchor finds nothing: there are no circles.
            self._anchors[event.anchor] = (node, self._size - before)
        return node

    def _scalar(self, event: Event) -> str:
        self._size += 1
        text: str = event.value
        if event.tag is not None:
            self._tagged(event)
        if len(text) > MAX_SCALAR:
            self._fault(
                event,
                "value-too-long",
                f"a value is longer than {MAX_SCALAR} characters",
                found=f"{len(text)} characters",
            )
            text = text[:100]
        if "$" in text:
            self._has_dollar = True
        return Plain(text) if event.implicit[0] else text

    def _collection(self, event: Event) -> Node:
        self._size += 1
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fault(event, "too-deep", f"values are nested more than {MAX_DEPTH} deep")
            raise UnreadableError(*self._faults)
        if event.tag is not None:
            self._tagged(event)
        node: Node = self._table(event) if type(event) is MappingStartEvent else self._items(event)
        self._depth -= 1
        return node

    def _table(self, start: Event) -> Table:
        # Everything that mostly holds is written out here: this runs once for each field of ten thousand documents.
        mark = start.start_mark
        table = Table(Place(mark.line << 32 | mark.column))
        places, following = table.places, self._next
        while type(event := following()) is not MappingEndEvent:
            key = event.value if type(event) is ScalarEvent else None
            if key and key.isidentifier() and event.anchor is None and event.tag is None and len(key) <= MAX_SCALAR:
                self._size += 1
            else:
                key = self._key(event)
            value_event = following()
            value = self._node(value_event)
            if key is None:
                continue
            if key in table:
                hint = f"it was given first on line {line_and_column(table.key_place(key))[0]}"
                self._fault(event, "duplicate-key", f"the field '{key}' is given twice", found=key, hint=hint)
                continue
            table[key] = value
            mark, value_mark = event.start_mark, value_event.start_mark
            places.append(Place(mark.line << 32 | mark.column))
            places.append(Place(value_mark.line << 32 | value_mark.column))
        return table

    def _items(self, start: Event) -> Items:
        items = Items(_place(start))
        following = self._next
        while type(event := following()) is not SequenceEndEvent:
            items.append(self._node(event))
            items.places.append(_place(event))
        return items

    def _key(self, event: Event) -> str | None:
        node = self._node(event)
        if not isinstance(node, str):
            self._fault(event, "not-a-key", "a key is not text", found="a list or mapping", expected="text")
            return None
        if node == "<<" and isinstance(node, Plain):
            self._fault(
                event, "merge-key", "merge keys are not part of YAML 1.2", found="<<", hint="write the fields out"
            )
            return None
        if "${" in node:
            self._fault(event, "bad-variable", "a variable stands in values only", found=node[:60], expected="a key")
        return str(node)

    def _alias(self, event: Event) -> Node:
        node, size = self._anchors.get(event.anchor, (None, 0))
        self._size += size
        found = f"*{event.anchor}"
        if node is None:
            self._fault(event, "unknown-alias", "an alias names no anchor that is complete before it", found=found)
            return Plain("")
        if self._size > MAX_ALIASED_NODES:
            summary = f"aliases make this document larger than {MAX_ALIASED_NODES} values"
            self._fault(event, "alias-bomb", summary, found=found, hint="write the values out")
            raise UnreadableError(*self._faults)
        return node

    def _tagged(self, event: Event) -> None:
        hint = "quote a value that shall be text; nothing else needs a tag"
        self._fault(
            event, "tag", "tags are not allowed", found=event.tag.replace("tag:yaml.org,2002:", "!!"), hint=hint
        )

    def _fault(
        self,
        event: Event,
        code: str,
        summary: str,
        *,
        found: str | None = None,
        expected: str | None = None,
        hint: str | None = None,
    ) -> None:
        where = span(self._file, _place(event))
        self._faults.append(
            Diagnostic(code=code, summary=summary, span=where, found=found, expected=expected, hint=hint)
        )


def _place(event: Event) -> Place:
    # Written out, not `tree.place(...)`: it runs twice a field.
    mark = event.start_mark
    return Place(mark.line << 32 | mark.column)
