"""Descriptions made from the data itself: how many rows, which columns, from where to where.

Deterministic, read as a stream in bounded memory, and modest: what is not what its media type says has no description. Several
files are described as the one that they are joined to: a header that each of them repeats is a row, from the second file on.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final, TextIO

from reconciler.content.joined import open_joined

_MAX_LINE: Final = 1024 * 1024
_MAX_VALUE: Final = 16 * 1024 * 1024
_MAX_COLUMNS: Final = 1000
_NAMED_COLUMNS: Final = 12
_CHUNK: Final = 64 * 1024
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]{5,18}(Z|[+-][0-9]{2}:?[0-9]{2})?)?")


class _NotDataError(Exception):
    """The file is not what its media type says, or beyond the limits."""


def describe(paths: Sequence[Path], media_type: str) -> str | None:
    """One sentence about CSV, TSV, JSON or JSON lines in one file or several, or None where there is nothing to say.

    Raises OSError.
    """
    reader = _READERS.get(media_type.partition(";")[0])
    if reader is None:
        return None
    try:
        with TextIOWrapper(open_joined(paths), encoding="utf-8-sig", newline="") as stream:
            return reader(stream).text()
    except (_NotDataError, UnicodeDecodeError, csv.Error):  # not what its media type says; it is published all the same
        return None


@dataclass(slots=True)
class _Range:
    """The least and the greatest of a column's values, while all of them are numbers or all are times."""

    low: str = ""
    high: str = ""
    kind: re.Pattern[str] | None = None
    is_mixed: bool = False

    def add(self, value: str) -> None:
        if self.is_mixed or not value:
            return
        if self.kind is None:
            self.kind = next((kind for kind in (_NUMBER, _TIME) if kind.fullmatch(value)), None)
            self.low = self.high = value
        if self.kind is None or not self.kind.fullmatch(value):
            self.is_mixed = True
            return
        key: Callable[[str], Any] = Decimal if self.kind is _NUMBER else str
        self.low, self.high = min(self.low, value, key=key), max(self.high, value, key=key)


@dataclass(slots=True)
class _Summary:
    """What has been seen of a table."""

    rows: int = 0
    ranges: dict[str, _Range] = field(default_factory=dict)

    def add(self, row: Iterable[tuple[str, str]]) -> None:
        self.rows += 1
        for column, value in row:
            if column not in self.ranges and len(self.ranges) >= _MAX_COLUMNS:
                raise _NotDataError
            self.ranges.setdefault(column, _Range()).add(value)

    def text(self) -> str:
        columns = list(self.ranges)
        parts = [f"{self.rows} {'row' if self.rows == 1 else 'rows'}"]
        if columns:
            names = ", ".join(columns[:_NAMED_COLUMNS])
            rest = ", ..." if len(columns) > _NAMED_COLUMNS else ""
            parts.append(f"{len(columns)} {'column' if len(columns) == 1 else 'columns'} ({names}{rest})")
        return ", ".join(parts) + self._range()

    def _range(self) -> str:
        """The first column of times, else the first of numbers: what the rows are ordered by, most likely."""
        for kind in (_TIME, _NUMBER):
            for column, values in self.ranges.items():
                if values.kind is kind and not values.is_mixed:
                    return f"; {column} from {values.low} to {values.high}"
        return ""


def _delimited(delimiter: str) -> Callable[[TextIO], _Summary]:
    def read(stream: TextIO) -> _Summary:
        rows = csv.reader(_lines(stream), delimiter=delimiter, strict=True)
        header = next(rows, None)
        if not header:
            raise _NotDataError
        summary = _Summary(ranges={_printable(column): _Range() for column in header})
        columns = list(summary.ranges)
        if len(columns) != len(header):
            raise _NotDataError
        for row in rows:
            if row:
                summary.add(zip(columns, row, strict=False))
        return summary

    return read


def _json_lines(stream: TextIO) -> _Summary:
    summary = _Summary()
    for line in _lines(stream):
        if line.strip():
            summary.add(_cells(_loads(line)))
    return summary


def _cells(value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for column, cell in value.items():
            simple = isinstance(cell, str | int | float | Decimal) and not isinstance(cell, bool)
            yield _printable(column), str(cell) if simple else "" if cell is None else "?"


def _lines(stream: TextIO) -> Iterator[str]:
    while line := stream.readline(_MAX_LINE):
        if len(line) == _MAX_LINE:
            raise _NotDataError
        yield line


def _loads(line: str) -> object:
    try:
        value: object = _DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        raise _NotDataError from error
    return value


def _json(stream: TextIO) -> _Summary:
    """The elements of an array are rows; any other value is one row."""
    summary = _Summary()
    text = _Text(stream)
    if text.next() == "[":
        text.skip()
        if text.next() == "]":
            text.skip()
        else:
            _add_elements(text, summary)
    else:
        summary.add(_cells(text.whole()))
    if text.next():
        raise _NotDataError
    return summary


def _add_elements(text: _Text, summary: _Summary) -> None:
    following = ","
    while following == ",":
        summary.add(_cells(text.element()))
        following = text.next()
        text.skip()


class _Text:
    """JSON text that is read piece by piece."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._buffer = ""
        self._at = 0

    def next(self) -> str:
        """The next character that is not space, or nothing at the end."""
        while True:
            self._at = self._behind_space(self._at)
            if self._at < len(self._buffer) or not self._more():
                return self._buffer[self._at : self._at + 1]

    def skip(self) -> None:
        """Go past the character that `next` has shown."""
        self._at += 1

    def element(self) -> object:
        """One value of an array; a comma or bracket comes next."""
        self.next()
        while (found := self._decoded()) is None:
            if len(self._buffer) - self._at > _MAX_VALUE or not self._more():
                raise _NotDataError
        value, self._at = found
        return value

    def _decoded(self) -> tuple[object, int] | None:
        """The value that begins here and where it ends, if all of it has been read.

        `12` may go on as `123` or `12.3`: only a comma or bracket behind it shows that a value is complete.
        """
        try:
            value, end = _DECODER.raw_decode(self._buffer, self._at)
        except RecursionError as error:
            raise _NotDataError from error
        except ValueError:  # the rest of it is not read yet, or it is no JSON, which the end of the file shows
            return None
        following = self._behind_space(end)
        return (value, end) if self._buffer[following : following + 1] in {",", "]"} else None

    def _behind_space(self, start: int) -> int:
        space = _SPACE.match(self._buffer, start)
        return space.end() if space else start

    def whole(self) -> object:
        """All of the text, as one value."""
        while self._more():
            if len(self._buffer) > _MAX_VALUE:
                raise _NotDataError
        value = _loads(self._buffer)
        self._at = len(self._buffer)
        return value

    def _more(self) -> bool:
        # Twice as much each time, so that one long value is not decoded from its start over and over.
        rest = self._buffer[self._at :]
        more = self._stream.read(max(_CHUNK, len(rest)))
        self._buffer, self._at = rest + more, 0
        return bool(more)


def _refuse(constant: str) -> object:
    raise ValueError(f"not JSON: {constant}")


def _printable(column: str) -> str:
    return "".join(character if character.isprintable() else " " for character in column).strip()[:60]


_DECODER: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse)

_READERS: Final[dict[str, Callable[[TextIO], _Summary]]] = {
    "text/csv": _delimited(","),
    "text/tab-separated-values": _delimited("\t"),
    "application/json": _json,
    "application/geo+json": _json,
    "application/jsonl": _json_lines,
}
