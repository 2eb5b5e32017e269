"""Text from outside as a terminal may see it: whatever it would obey instead of showing is written as a code point."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` on one line, with every character that would move a cursor, ring, hide or turn text round as its code point."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def printable_lines(text: str) -> str:
    """The same for a text of several lines."""
    return text if text.isprintable() else "\n".join(printable(line) for line in text.split("\n"))
