"""The plan as Markdown, for a comment under a pull request: what goes first, the rest folded, never too long for one comment.

Everything that comes from the plan stands in code, where nothing of it is markup, a link or somebody's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.cli.escaping import printable
from reconciler.cli.views.fitting import fitted
from reconciler.cli.views.plan import copy_lines, cost_lines, guard_lines, object_lines
from reconciler.cli.views.plan_document import (
    counted,
    generation,
    is_replica,
    last_line,
    object_,
    objects,
    readings,
    restriction,
    rotation,
    texts,
    title,
    unapprovable,
)
from reconciler.model.json import Json, JsonObject
from reconciler.plan.action import Action

LIMIT: Final = 65_000
"""Bytes: a comment holds 65,536 characters, and whoever posts it adds a line or two."""

_WIDTH: Final = 100
_LINE: Final = 240
"""Columns of a line that cannot be wrapped."""
_LINES: Final = 60
"""Of one object."""


@dataclass(frozen=True, slots=True)
class _Section:
    """A list of things under one heading. `share` are the bytes that it is given at least; what is left over goes on."""

    heading: str
    items: Sequence[Sequence[str]]
    share: int
    is_folded: bool = False


def render_markdown(document: JsonObject) -> str:
    """The plan document as Markdown of at most LIMIT bytes, whatever its size, without a final newline."""
    sections = [section for section in _sections(document) if section.items]
    text = _head(document)
    for index, section in enumerate(sections):
        promised = sum(later.share for later in sections[index + 1 :])
        text += "\n\n" + _rendered(section, LIMIT - len(text.encode()) - promised - 2)
    return text


def _head(document: JsonObject) -> str:
    body = object_(document["body"])
    name, where = title(body)
    refused = [str(guard["name"]) for guard in objects(body["guards"]) if guard["refused"]]
    lines = [
        f"## {_code(name)} {where}",
        f"**{last_line(body)}**",
        f"**Refused by {', '.join(refused)}: apply will do nothing.**" if refused else "",
        "**Everything goes, the root too.**" if body["destroys"] else "",
        f"**{rotation(body)}**" if body["rotation"] else "",
        _code(restriction(body)) if body["partial"] else "",
        f"Overrides: {_code(', '.join(texts(body['overrides'])))}" if body["overrides"] else "",
        f"{generation(body)} " + (unapprovable(body) or f"Plan id `{document['id']}`"),
    ]
    return "\n\n".join(line for line in lines if line)


def _sections(document: JsonObject) -> Iterator[_Section]:
    body = object_(document["body"])
    gone = [change for change in objects(body["changes"]) if change["action"] == Action.DELETE]
    changed = [change for change in objects(body["changes"]) if change["action"] != Action.DELETE]
    yield _Section(f"Deletions ({len(gone)})", list(_changes(gone)), 16_000)
    yield _Section("Warnings", _told(body["warnings"]), 5_000)
    yield _Section("Drift: changed, though not by the manifests", _told(body["drift"]), 5_000)
    if gone or changed:
        yield _Section("Cost", _block(cost_lines(body)), 1_500)
        yield _Section("Guards", _block(list(guard_lines(body, _WIDTH))[1:]), 8_000)
    yield _Section(counted(len(changed), "other change"), list(_changes(changed)), 16_000, is_folded=True)
    yield _Section("Who was asked, and when", [[line] for line in readings(document)], 3_000, is_folded=True)


def _changes(changes: Sequence[JsonObject]) -> Iterator[list[str]]:
    """Records first, which is what people review; then settings and advertisements; copies last."""
    for change in changes:
        if not is_replica(change):
            yield _plain(object_lines(change, _WIDTH))
    lines = _plain(copy_lines([change for change in changes if is_replica(change)], _WIDTH))
    yield from ([line] for line in lines)


def _told(items: Json) -> list[list[str]]:
    return [[printable(f"{item['object']}: {item['detail']}")] for item in objects(items)]


def _block(lines: Iterable[object]) -> list[list[str]]:
    """One item of these lines; none where there are none."""
    return [plain] if (plain := _plain(lines)) else []


def _plain(lines: Iterable[object]) -> list[str]:
    return [str(line).removeprefix("  ") for line in lines]


def _rendered(section: _Section, room: int) -> str:
    if section.is_folded:
        head, foot = f"<details><summary>{section.heading}</summary>\n\n", "\n\n</details>"
    else:
        head, foot = f"### {section.heading}\n\n", ""
    return head + _fenced(section.items, room - len(head) - len(foot)) + foot


def _fenced(items: Sequence[Sequence[str]], room: int) -> str:
    """As many of `items` as fit, in a block of code; how many more there are is said."""
    shown, left = [list(_cut(item)) for item in items], room
    longest = max((len(run) for item in shown for line in item for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    left -= 2 * len(fence) + len("diff\n\n") + len("… and 1000000 more\n")
    lines: list[str] = []
    for index, item in enumerate(shown):
        left -= sum(len(line.encode()) + 1 for line in item)
        if left < 0:
            lines.append(f"… and {len(shown) - index} more")
            break
        lines += item
    return "\n".join((f"{fence}diff", *lines, fence))


def _cut(item: Sequence[str]) -> Iterator[str]:
    for line in item[:_LINES]:
        yield fitted(line, _LINE)
    if len(item) > _LINES:
        yield f"      … and {len(item) - _LINES} lines more"


def _code(text: str) -> str:
    text = fitted(printable(text), _LINE)
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    padding = " " if "`" in text else ""
    return f"{fence}{padding}{text}{padding}{fence}"
