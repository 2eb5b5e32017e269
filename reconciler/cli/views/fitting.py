"""Text made to fit a terminal: shortened in the middle, wrapped at spaces."""

from __future__ import annotations

import textwrap
from typing import Final

from rich.cells import cell_len, set_cell_size

_SHORTEST: Final = 8
"""Columns that a value is given however narrow the terminal is."""


def fitted(text: str, room: int) -> str:
    """`text` in at most `room` columns: begin and end stay, since hashes, paths and titles differ at both."""
    room = max(room, _SHORTEST)
    if cell_len(text) <= room:
        return text
    tail = (room - 1) // 2
    return f"{_head(text, room - 1 - tail)}…{_head(text[::-1], tail)[::-1]}"


def padded(text: str, width: int) -> str:
    """`text` with blanks up to `width` columns: letters of East Asia and emoji take two each."""
    return text + " " * (width - cell_len(text))


def wrapped(text: str, width: int, indent: int = 0) -> list[str]:
    """Lines of at most `width` columns; a word that is longer than that stays whole, to be copied."""
    margin = " " * indent
    return textwrap.wrap(
        text,
        max(width, indent + _SHORTEST),
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _head(text: str, room: int) -> str:
    return set_cell_size(text, room).rstrip(" ") if cell_len(text) > room else text
