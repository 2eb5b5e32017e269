"""Bytes that may be YAML: what makes a file unreadable, said so that people find the place."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Final

import yaml
from yaml import ScalarEvent
from yaml._yaml import CParser
from yaml.reader import ReaderError

from reconciler.manifest.tree import START, Place, place, span
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.source import SourceSpan

MAX_BYTES: Final = 32 * 1024 * 1024

_SCALAR: Final[type[Any]] = ScalarEvent
_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


class UnreadableError(Exception):
    """The rest of a file cannot be read; carries the diagnostics that say why."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__(diagnostics[-1].summary)
        self.diagnostics = diagnostics


def check_bytes(data: bytes, file: str) -> None:
    """Raise UnreadableError for what is too large, or not UTF-8 without a byte order mark."""
    if len(data) > MAX_BYTES:
        found, hint = f"{len(data)} bytes", "spread it over several files"
        raise UnreadableError(
            _fault("too-large", f"the file is larger than {MAX_BYTES} bytes", span(file, START), found, hint)
        )
    if data.startswith(_MARKS):
        found, hint = "a byte order mark", "save it as UTF-8 without one"
        raise UnreadableError(
            _fault("byte-order-mark", "the file begins with a byte order mark", span(file, START), found, hint)
        )
    try:
        data.decode()
    except UnicodeDecodeError as error:
        found, where = f"the byte 0x{data[error.start]:02x}", _place_of_byte(data, error.start)
        raise UnreadableError(
            _fault("not-utf-8", "the file is not UTF-8", span(file, where), found, "save it as UTF-8")
        ) from error


def unreadable(error: yaml.YAMLError, data: bytes, file: str) -> Diagnostic:
    """What libyaml stumbled over, as a diagnostic."""
    if isinstance(error, ReaderError):
        character = error.character if isinstance(error.character, int) else ord(error.character)
        where, found = _place_of_byte(data, error.position), f"the character 0x{character:02x}"
        hint = "remove it; in a double-quoted text it can be written as an escape"
        return _fault("control-character", "the file contains a control character", span(file, where), found, hint)
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    if not isinstance(error, yaml.MarkedYAMLError) or mark is None:
        return _fault("yaml-syntax", "this is not YAML", span(file, START))
    if _is_tab(data, mark.line, mark.column):
        return _tab(file, place(mark.line, mark.column))
    context = f" {error.context}" if error.context else ""
    in_braces = "inside { } and [ ] a variable needs quotes" if "${" in _line(data, mark.line) else None
    at = span(file, place(mark.line, mark.column))
    return _fault("yaml-syntax", f"this is not YAML: {error.problem}{context}", at, hint=in_braces)


def first_tab(data: bytes, file: str) -> Diagnostic | None:
    """The first tab that is neither part of a value nor of a comment; libyaml lets some of them pass."""
    if b"\t" not in data:
        return None
    text = data.decode()
    starts, ends = _scalar_ranges(data)
    position = text.find("\t")
    while position >= 0:
        line_start = text.rfind("\n", 0, position) + 1
        scalar = bisect_right(starts, position) - 1
        in_value = scalar >= 0 and position < ends[scalar]
        if not in_value and "#" not in text[line_start:position]:
            return _tab(file, place(text.count("\n", 0, position), position - line_start))
        position = text.find("\t", position + 1)
    return None


def _scalar_ranges(data: bytes) -> tuple[list[int], list[int]]:
    starts: list[int] = []
    ends: list[int] = []
    parser: Any = CParser(data)
    try:
        for event in iter(parser.get_event, None):
            if type(event) is _SCALAR:
                starts.append(event.start_mark.index)
                ends.append(event.end_mark.index)
    except yaml.YAMLError:
        # Reading proper meets the same fault and reports it; tabs behind the last value do not matter then.
        starts.append(ends[-1] if ends else 0)
        ends.append(len(data))
    return starts, ends


def _is_tab(data: bytes, line: int, column: int) -> bool:
    text = _line(data, line)
    return text[column : column + 1] == "\t" or text[:column].strip(" ") == "\t"


def _line(data: bytes, line: int) -> str:
    lines = data.split(b"\n", line + 1)
    return lines[line].decode() if line < len(lines) else ""


def _tab(file: str, where: Place) -> Diagnostic:
    return _fault("tab", "a tab stands where only spaces are allowed", span(file, where), "a tab", "indent with spaces")


def _place_of_byte(data: bytes, offset: int) -> Place:
    line_start = data.rfind(b"\n", 0, offset) + 1
    return place(data.count(b"\n", 0, offset), len(data[line_start:offset].decode(errors="replace")))


def _fault(code: str, summary: str, where: SourceSpan, found: str | None = None, hint: str | None = None) -> Diagnostic:
    return Diagnostic(code=code, summary=summary, span=where, found=found, hint=hint)
