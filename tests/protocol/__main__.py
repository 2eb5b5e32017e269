"""Writes what follows from each example of docs/protocol.md into the document anew: `python -m tests.protocol`."""

from __future__ import annotations

import json
from typing import Any

from tests.protocol.document import BLOCK, DOCUMENT, read
from tests.protocol.rebuilding import REBUILT

WIDTH = 118


def shown(value: Any, indent: int = 0, before: int = 0) -> str:
    """JSON, on one line where it fits."""
    flat = json.dumps(value, ensure_ascii=False)
    if indent + before + len(flat) <= WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    margin, inner = " " * indent, " " * (indent + 2)
    if isinstance(value, dict):
        named = {json.dumps(name, ensure_ascii=False): item for name, item in value.items()}
        lines = [f"{inner}{name}: {shown(item, indent + 2, len(name) + 2)}" for name, item in named.items()]
        return "{\n" + ",\n".join(lines) + f"\n{margin}}}"
    return "[\n" + ",\n".join(inner + shown(item, indent + 2) for item in value) + f"\n{margin}]"


def anew(name: str, text: str) -> str:
    """An example as it stands in the document."""
    example = read(name, text)
    value = {"given": example.given, "then": REBUILT[name](example.given)}
    return f"```json {name}\n{shown(value)}\n```"


if __name__ == "__main__":
    written = BLOCK.sub(lambda found: anew(found[1], found[2]), DOCUMENT.read_text(encoding="utf-8"))
    DOCUMENT.write_text(written, encoding="utf-8")
