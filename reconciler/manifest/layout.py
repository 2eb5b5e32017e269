"""How a document is written: what the formatter keeps of it, comments included, and what it may arrange anew."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import yaml
from yaml._yaml import CParser

Event: TypeAlias = Any

# PyYAML's types do not say which attributes each event has.
_DOCUMENT_START: Final[type[Any]] = yaml.DocumentStartEvent
_DOCUMENT_END: Final[type[Any]] = yaml.DocumentEndEvent
_STREAM_END: Final[type[Any]] = yaml.StreamEndEvent
_SCALAR: Final[type[Any]] = yaml.ScalarEvent
_ALIAS: Final[type[Any]] = yaml.AliasEvent
_MAPPING: Final[type[Any]] = yaml.MappingStartEvent
_ENDS: Final[tuple[type[Any], ...]] = (yaml.MappingEndEvent, yaml.SequenceEndEvent)

_BLOCK_SCALAR: Final = ("|", ">")
_PLAIN_HEADER = re.compile(r"[|>]-?([ ]+#.*)?")
"""Of a block scalar whose indentation may change: no digit, and no `+` that would keep what follows."""


class UnarrangeableError(Exception):
    """A document uses notation that is rare enough to be left as it is."""


@dataclass(slots=True)
class Scalar:
    """A scalar as it was written, quotes included."""

    text: str
    line: int
    end: int
    """Its last line."""


@dataclass(slots=True)
class Entry:
    """A key with its value, or an item of a list, and the comments that go with it."""

    key: Scalar | None
    value: Layout
    line: int
    above: list[str] = field(default_factory=list)
    """Comments and blank lines before it."""
    beside: list[str] = field(default_factory=list)
    """Comments at the end of its line."""


@dataclass(slots=True)
class Collection:
    """A mapping or list."""

    is_mapping: bool
    is_flow: bool
    line: int
    column: int
    end: int
    entries: list[Entry] = field(default_factory=list)
    below: list[str] = field(default_factory=list)
    """Comments after its last entry that are indented as it is."""
    verbatim: str | None = None
    """The source of a flow collection that has comments inside."""


Layout: TypeAlias = Scalar | Collection


@dataclass(slots=True)
class Arranged:
    """One document: its lines in the source, its root, and the comments after it."""

    first: int
    last: int
    root: Layout | None
    below: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment and where it is."""

    line: int
    column: int
    text: str
    is_alone: bool


def arrangements(text: str) -> Iterator[Arranged | tuple[int, int]]:
    """The documents of a file; of those that cannot be arranged only the first and last line.

    The file has been parsed before without a fault. Raises UnarrangeableError for directives and document ends.
    """
    source = _Source(text)
    return iter(_Reader(source).documents())


def comments_of(text: str) -> list[Comment]:
    """All comments of a file, in order."""
    return _Source(text).comments


class _Source:
    """A file's lines and comments."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.split("\n")
        self.starts = [0]
        for each in self.lines:
            self.starts.append(self.starts[-1] + len(each) + 1)
        self.comments = list(self._comments())

    def _comments(self) -> Iterator[Comment]:
        starts, ends = _scalars(self.text)
        for number, content in enumerate(self.lines):
            position = content.find("#")
            while position >= 0:
                index = self.starts[number] + position
                scalar = bisect_right(starts, index) - 1
                in_scalar = scalar >= 0 and index < ends[scalar]
                if not in_scalar and (position == 0 or content[position - 1] in " \t"):
                    alone = not content[:position].strip()
                    yield Comment(number, position, content[position:].rstrip(), alone)
                    break
                position = content.find("#", position + 1)

    def above(self, first: int, last: int) -> list[tuple[int, str]]:
        """Comments that stand alone, and blank lines as empty text, in these lines; with their columns."""
        alone = {each.line: each for each in self.comments if each.is_alone and first <= each.line <= last}
        found: list[tuple[int, str]] = []
        for number in range(first, last + 1):
            if number in alone:
                found.append((alone[number].column, alone[number].text))
            elif (not self.lines[number].strip() and found and found[-1][1]) or (
                not self.lines[number].strip() and not found
            ):
                found.append((0, ""))
        return found

    def has_comment(self, first: int, last: int) -> bool:
        """Whether there is a comment between two positions in the text."""
        return any(first < self.starts[each.line] + each.column < last for each in self.comments)


def _scalars(text: str) -> tuple[list[int], list[int]]:
    starts: list[int] = []
    ends: list[int] = []
    parser: Any = CParser(text)
    for event in iter(parser.get_event, None):
        if isinstance(event, _SCALAR) and event.end_mark.index > event.start_mark.index:
            starts.append(event.start_mark.index)
            ends.append(event.end_mark.index)
    return starts, ends


class _Reader:
    """Builds layouts from libyaml's events, and finds for each comment the entry that it is about."""

    def __init__(self, source: _Source) -> None:
        self._source = source
        self._next: Callable[[], Event] = CParser(source.text).get_event
        self._beside = {each.line: each for each in source.comments if not each.is_alone}

    def documents(self) -> list[Arranged | tuple[int, int]]:
        """All documents."""
        found: list[tuple[int, Layout | None, bool]] = []
        while not isinstance(event := self._next(), _STREAM_END):
            if isinstance(event, _DOCUMENT_START):
                if event.version or event.tags:
                    raise UnarrangeableError
                found.append((event.start_mark.line if event.explicit and found else 0, *self._root()))
            elif isinstance(event, _DOCUMENT_END) and event.explicit:
                raise UnarrangeableError
        return [self._document(found, index) for index in range(len(found))]

    def _root(self) -> tuple[Layout | None, bool]:
        before = self._next()
        try:
            return self._layout(before), True
        except UnarrangeableError:
            self._skip()
            return None, False

    def _skip(self) -> None:
        """The rest of a document that cannot be arranged."""
        while not isinstance(event := self._next(), _DOCUMENT_END):
            pass
        if event.explicit:
            raise UnarrangeableError

    def _document(self, found: list[tuple[int, Layout | None, bool]], index: int) -> Arranged | tuple[int, int]:
        first, root, is_known = found[index]
        last = found[index + 1][0] - 1 if index + 1 < len(found) else len(self._source.lines) - 1
        if not is_known or not isinstance(root, Collection) or root.is_flow or not root.is_mapping:
            return first, last
        document = Arranged(first, last, root)
        has_marker = self._source.lines[first].startswith("---")
        self._place(root, first if has_marker else first - 1)
        if has_marker and first in self._beside:
            root.entries[0].above.insert(0, self._beside[first].text)
        after = self._source.above(root.end + 1, last)
        for column, text in after:
            owner = _owner(root, column) if text and column else None
            (owner.below if owner else document.below).append(text)
        return document

    # Layouts

    def _layout(self, event: Event) -> Layout:
        if isinstance(event, _ALIAS) or event.anchor is not None or event.tag is not None:
            raise UnarrangeableError
        return self._scalar(event) if isinstance(event, _SCALAR) else self._collection(event)

    def _scalar(self, event: Event) -> Scalar:
        text = self._source.text[event.start_mark.index : event.end_mark.index]
        if text.startswith(_BLOCK_SCALAR) and event.style in _BLOCK_SCALAR:
            text = text.rstrip(" \n")
            if not _PLAIN_HEADER.fullmatch(text.partition("\n")[0]):
                raise UnarrangeableError
        line = event.start_mark.line
        return Scalar(text, line, line + text.count("\n"))

    def _collection(self, event: Event) -> Collection:
        start, is_mapping = event.start_mark, isinstance(event, _MAPPING)
        found = Collection(is_mapping, bool(event.flow_style), start.line, start.column, start.line)
        while not isinstance(following := self._next(), _ENDS):
            found.entries.append(self._entry(following, found))
        if not found.is_flow:
            found.end = max((_end(entry) for entry in found.entries), default=start.line)
            return found
        stop = following.end_mark
        found.end = stop.line
        if self._source.has_comment(start.index, stop.index):
            found.verbatim = self._source.text[start.index : stop.index]
        return found

    def _entry(self, event: Event, parent: Collection) -> Entry:
        line = event.start_mark.line
        if not parent.is_mapping:
            value = self._layout(event)
            return Entry(None, value, self._dash(line, parent))
        key = self._layout(event)
        if not isinstance(key, Scalar) or key.end != key.line:
            raise UnarrangeableError
        if self._source.text[event.start_mark.index - 2 : event.start_mark.index] == "? ":
            raise UnarrangeableError
        value = self._layout(self._next())
        if isinstance(value, Scalar) and not value.text:
            value.line = value.end = key.line
        return Entry(key, value, line)

    def _dash(self, line: int, parent: Collection) -> int:
        """The line of an item's dash, which may stand above its value; a list in a list shares one."""
        while (
            line > parent.line and not parent.is_flow and not self._source.lines[line][parent.column :].startswith("-")
        ):
            line -= 1
        return line

    # Comments

    def _place(self, collection: Collection, before: int) -> None:
        """Give each entry its comments; `before` is the last line of what stands before the collection."""
        previous: Entry | None = None
        for entry in collection.entries:
            found = self._source.above(before + 1, entry.line - 1)
            if previous is not None and isinstance(previous.value, Collection):
                found = _left_over(previous.value, found, collection.column)
            entry.above = [text for _, text in found]
            self._place_beside(entry)
            if isinstance(entry.value, Collection) and not entry.value.is_flow:
                self._place(entry.value, entry.line if entry.value.line > entry.line else entry.value.line - 1)
            before, previous = _end(entry), entry

    def _place_beside(self, entry: Entry) -> None:
        value = entry.value
        is_block = isinstance(value, Collection) and not value.is_flow
        last = entry.line if is_block else _end(entry)
        if is_block and value.line == entry.line:
            return  # the comment belongs to the first entry inside, on the same line
        for line in range(entry.line, last + 1):
            comment = self._beside.get(line)
            if comment and not self._is_inside(comment, value):
                entry.beside.append(comment.text)

    @staticmethod
    def _is_inside(comment: Comment, value: Layout) -> bool:
        return isinstance(value, Collection) and value.verbatim is not None and comment.line < value.end


def _left_over(value: Collection, found: list[tuple[int, str]], column: int) -> list[tuple[int, str]]:
    """What of the comments before an entry is about it; those that are indented deeper end the block before."""
    deeper = [index for index, (at, text) in enumerate(found) if text and at > column]
    if not deeper or value.is_flow:
        return found
    cut = deeper[-1] + 1
    for at, text in found[:cut]:
        owner = _owner(value, at) if text else None
        (owner or value).below.append(text)
    return found[cut:]


def _owner(collection: Collection, column: int) -> Collection | None:
    """The innermost collection at a document's end that is indented at most as far as a comment."""
    if collection.is_flow or collection.column > column:
        return None
    last = collection.entries[-1].value if collection.entries else None
    inner = _owner(last, column) if isinstance(last, Collection) else None
    return inner or collection


def _end(entry: Entry) -> int:
    return max(entry.line, entry.value.end)
