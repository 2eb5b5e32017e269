"""The worked examples of docs/protocol.md, read out of the document: for whoever holds an implementation against them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parents[2] / "docs" / "protocol.md"

BLOCK = re.compile(r"^```json ([a-z-]+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Example:
    """What is given, and what follows from it."""

    name: str
    given: Any
    then: Any


def examples() -> tuple[Example, ...]:
    """All of them, in the document's order."""
    found = BLOCK.findall(DOCUMENT.read_text(encoding="utf-8"))
    return tuple(read(name, text) for name, text in found)


def read(name: str, text: str) -> Example:
    """One example."""
    value = json.loads(text)
    assert value.keys() == {"given", "then"}, name
    return Example(name, value["given"], value["then"])
