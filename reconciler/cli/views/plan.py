"""The plan as text, from the plan document and nothing else: what changes and why, what it costs, what forbids it.

Read from the top it is an explanation; the last line has fixed words for programs that grep (DESIGN §8).
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from reconciler.cli.escaping import printable
from reconciler.cli.views.fitting import fitted, padded, wrapped
from reconciler.cli.views.plan_document import (
    Sort,
    commit,
    copies,
    cost_line,
    cost_rows,
    counted,
    fields_of,
    generation,
    integer,
    is_replica,
    label,
    last_line,
    moved_from,
    object_,
    objects,
    place,
    readings,
    restriction,
    rotation,
    shown,
    sort_of,
    texts,
    title,
    unapprovable,
    why_of,
)
from reconciler.model.json import Json, JsonObject
from reconciler.plan.action import Action
from reconciler.plan.change import Edit

_STYLES: Final = {
    Action.CREATE: "green",
    Action.UPDATE: "yellow",
    Action.REPLACE: "magenta",
    Action.RENEW: "cyan",
    Action.MOVE: "blue",
    Action.ADOPT: "blue",
    Action.DELETE: "red",
}
_INDENT: Final = 6

_VERDICT: Final = len("overridden")
_LABELS: Final = 32
"""The widest column of field names; longer names are shortened."""
_READABLE: Final = 100
"""The farthest to the right that a place stands from what it is the place of, however wide the terminal is."""
_ROOM: Final = 28
"""Columns that a guard's value needs, to stand beside its verdict."""
_EXPECTED: Final = " (as expected)"
_SIGN: Final = 2
"""Columns of a change's sign, which stays with what it stands for."""
_MANY: Final = 50
"""So many changes of one sort are all shown; of more, only the first."""
_FEW: Final = 10

Lines: TypeAlias = Iterator[Text]


def render(document: JsonObject, *, width: int, colour: bool, whole: bool = False) -> str:
    """The plan as lines of at most `width` columns (words that have no break excepted), without a final newline.

    Of very many changes of the same sort the first are shown and the others counted, unless the `whole` plan is wanted.
    """
    blocks = [list(block) for block in _blocks(document, width, whole=whole)]
    lines = [line for block in blocks if block for line in (*block, Text())]
    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        legacy_windows=False,
        highlight=False,
        _environ={},  # NO_COLOR, COLUMNS and their kind were read where `colour` and `width` come from
    )
    for line in lines:
        for piece in _within(line, console):
            console.print(piece, soft_wrap=True)
    return buffer.getvalue() + last_line(object_(document["body"]))


def _within(line: Text, console: Console) -> Lines:
    """`line`, or where it is too wide its pieces, indented as it is."""
    indent = len(line.plain) - len(line.plain.lstrip())
    if line.cell_len <= console.width:
        yield line
        return
    text = line[indent:]
    for piece in text.divide(_breaks(text.plain, console.width - indent)):
        piece.rstrip()
        yield Text.assemble(" " * indent, piece)


def _breaks(text: str, room: int) -> list[int]:
    """Where lines of at most `room` columns begin within `text`, the first excepted; words stay whole."""
    begins, used = [], 0
    for word in re.finditer(r"\S+", text):
        if word.start() - used > _SIGN and cell_len(text[used : word.end()]) > room:
            used = word.start()
            begins.append(used)
    return begins


def _blocks(document: JsonObject, width: int, *, whole: bool) -> Iterator[Lines]:
    body = object_(document["body"])
    yield _header(document, width)
    yield _told("Drift: changed, though not by the manifests", body["drift"], width, whole=whole)
    yield _told("Warnings", body["warnings"], width, whole=whole)
    changes = objects(body["changes"])
    yield from _changes([change for change in changes if not is_replica(change)], width, whole=whole)
    yield _copies([change for change in changes if is_replica(change)], width, whole=whole)
    if changes:
        yield _unchanged(body)
        yield cost_lines(body)
        yield guard_lines(body, width)
        yield _footer(document, width)


def _changes(changes: Sequence[JsonObject], width: int, *, whole: bool) -> Iterator[Lines]:
    """A block for each change; of a sort that there are many of, the first few and how many more.

    Changes are of one sort when the same happens to the same fields of the same kind: one price among a thousand titles
    is a sort of its own, and is seen.
    """
    totals, seen = Counter(map(sort_of, changes)), Counter[Sort]()
    for change in changes:
        sort = sort_of(change)
        seen[sort] += 1
        if whole or totals[sort] <= _MANY or seen[sort] <= _FEW:
            yield object_lines(change, width)
        elif seen[sort] == totals[sort]:
            yield _more(sort, totals[sort] - _FEW)


def _more(sort: Sort, count: int) -> Lines:
    action = Action(sort.action)
    fields = f" ({', '.join(sort.fields)})" if sort.fields else ""
    style = _STYLES[action]
    yield Text.assemble(
        "  ", (action.glyph, style), f" {sort.kind}/*: {count:,} more {action.phrase}{fields}; plan --all shows them"
    )


# What is being planned


def _header(document: JsonObject, width: int) -> Lines:
    body = object_(document["body"])
    name, where = title(body)
    yield Text.assemble((printable(name), "bold"), f" {where}")
    yield from _prose(commit(document), width)
    yield Text(generation(body))
    for told in readings(document):
        yield from _prose(told, width, indent=2)
    if body["destroys"]:
        yield Text("Everything goes, the root too.", style="bold red")
    if body["rotation"]:
        yield from _prose(rotation(body), width, style="bold yellow")
    if body["partial"]:
        yield from _prose(restriction(body), width, style="yellow")
    overrides = texts(body["overrides"])
    if overrides:
        yield from _prose(f"Overrides: {', '.join(overrides)}.", width, style="yellow")


def _told(heading: str, items: Json, width: int, *, whole: bool) -> Lines:
    found = objects(items)
    if found:
        yield Text(heading, style="bold")
    shown_ = found if whole or len(found) <= _MANY else found[:_FEW]
    for item in shown_:
        yield from _prose(f"{item['object']}: {item['detail']}", width, indent=2)
    if len(shown_) < len(found):
        yield Text(f"  and {len(found) - len(shown_):,} more; plan --all shows them")


# What changes


def object_lines(change: JsonObject, width: int) -> Lines:
    """A change of anything but a stored copy: what happens, where that was written, why, and which fields differ."""
    action, source = Action(str(change["action"])), place(change)
    yield from _heading(action, str(change["object"]), source, width)
    if why_of(change):
        yield from _prose(why_of(change), width, indent=_INDENT, style="dim")
    if change["moved_from"]:
        yield from _prose(moved_from(change), width, indent=_INDENT)
    if action is Action.CREATE:
        yield from _created(object_(change["after"]), width)
    elif change["after"] is not None and action is not Action.ADOPT:
        yield from _edited(objects(change["diff"]), width)
        yield from _rest(change)


def _heading(action: Action, subject: str, source: str, width: int) -> Lines:
    style = _STYLES[action]
    line = Text.assemble("  ", (action.glyph, style), " ", (printable(subject), "bold"), f" {action.phrase}")
    gap = min(width, _READABLE) - line.cell_len - len(source)
    if source and gap >= 2:
        line.append(" " * gap + printable(source), style="dim")
        source = ""
    yield line
    if source:
        yield Text(" " * _INDENT + printable(source), style="dim")


def _created(after: JsonObject, width: int) -> Lines:
    """The top-level fields; whoever wants the leaves of a data schema has the document."""
    fields = fields_of(after)
    column = _column(fields)
    for name, value in fields.items():
        room = width - _INDENT - column - 2
        yield Text(" " * _INDENT + padded(fitted(name, column), column) + "  " + fitted(value, room))


def _edited(diff: Sequence[JsonObject], width: int) -> Lines:
    column = _column([label(str(field["path"])) for field in diff])
    for field in diff:
        edit = Edit(str(field["edit"]))
        before = "(none)" if edit is Edit.ADD else shown(field["before"])
        after = "(none)" if edit is Edit.REMOVE else shown(field["after"])
        yield from _arrow(label(str(field["path"])), before, after, column, width)


def _arrow(name: str, before: str, after: str, column: int, width: int) -> Lines:
    """`name  before -> after` on one line where it fits, else on two, shortened as far as needed."""
    head = " " * _INDENT + padded(fitted(name, column), column) + "  "
    room = width - len(head)
    if cell_len(before) + cell_len(after) + 4 <= room:
        yield Text.assemble(head, (before, "red"), " -> ", (after, "green"))
        return
    yield Text.assemble(head, (fitted(before, room), "red"))
    yield Text.assemble(" " * (len(head) - 3), "-> ", (fitted(after, room), "green"))


def _rest(change: JsonObject) -> Lines:
    """How many fields stay, counted as the reader would: the fields of the manifest."""
    after = object_(change["after"])
    names = {f"{side}.{name}" for side in ("public", "sealed", "value") for name in object_(after.get(side, {}))}
    touched = {".".join(str(field["path"]).split(".")[:2]) for field in objects(change["diff"])}
    count = len(names - touched)
    if count:
        yield Text(" " * _INDENT + f"{counted(count, 'field')} unchanged", style="dim")


def _copies(changes: Sequence[JsonObject], width: int, *, whole: bool) -> Lines:
    """Stored copies; of very many the first few, and how many more."""
    groups = copies(changes)
    if whole or len(groups) <= _MANY:
        yield from copy_lines(changes, width)
        return
    counts = Counter(str(change["action"]) for change in changes)
    yield from copy_lines(changes, width, at_most=_FEW)
    for action in (Action(word) for word in sorted(counts)):
        yield Text.assemble(
            "  ",
            (action.glyph, _STYLES[action]),
            f" replica/*: {counts[action]:,} in all {action.phrase}; plan --all shows them",
        )


def copy_lines(changes: Sequence[JsonObject], width: int, at_most: int | None = None) -> Lines:
    """Stored copies, one line for all hosts to which the same happens for the same reason."""
    for group, action, whys in copies(changes)[:at_most]:
        yield from _heading(action, group, "", width)
        for why in whys:
            yield from _prose(why, width, indent=_INDENT, style="dim")


def _unchanged(body: JsonObject) -> Lines:
    count = integer(object_(body["summary"])["unchanged"])
    if count:
        yield Text(f"  {counted(count, 'object')} unchanged", style="dim")


# What it costs, and what forbids it


def cost_lines(body: JsonObject) -> Lines:
    """What the plan costs."""
    if body["public_only"]:
        return
    rows = cost_rows(body)
    if not objects(body["transactions"]) and not any(rows.values()):
        yield Text("Cost: nothing; no transaction is needed.")
        return
    yield Text.assemble(("Cost", "bold"), f": {cost_line(body)}")
    digits = max(len(f"{amount:,}") for amount in rows.values())
    column = _column(rows)
    for name, amount in rows.items():
        yield Text(f"  {name.ljust(column)}  {amount:>{digits},} satoshi{'' if amount == 1 else 's'}")


def guard_lines(body: JsonObject, width: int) -> Lines:
    """Every guard with its verdict, value and limit; of one that refuses what it says, and what lets it pass."""
    guards = objects(body["guards"])
    if guards:
        yield Text("Guards", style="bold")
    column = _column([str(guard["name"]) for guard in guards])
    for guard in guards:
        word, style = _verdict(guard)
        head = f"  {str(guard['name']).ljust(column)}  "
        beside = len(head) + _VERDICT + 2
        is_wide = width - beside >= _ROOM
        if is_wide:
            facts = _facts(guard, width - beside)
            yield Text.assemble(head, (word.ljust(_VERDICT), style), "  ", facts[0])
            yield from (Text(" " * beside + fact) for fact in facts[1:])
        else:
            yield Text.assemble(head, (word, style))
            yield from (Text(" " * _INDENT + fact) for fact in _facts(guard, width - _INDENT))
        if guard["refused"]:
            override = f"; {guard['override']} lets it pass" if guard["override"] else ""
            yield from _prose(
                f"{guard['detail']}{override}", width, indent=len(head) if is_wide else _INDENT, style="red"
            )


def _facts(guard: JsonObject, room: int) -> list[str]:
    value, limit = printable(str(guard["value"])), printable(str(guard["limit"]))
    if value == limit:
        return [f"{fitted(value, room - len(_EXPECTED))}{_EXPECTED}"]
    line = f"{value} (limit: {limit})"
    return [line] if cell_len(line) <= room else [fitted(value, room), fitted(f"limit: {limit}", room)]


def _verdict(guard: JsonObject) -> tuple[str, str]:
    if guard["refused"]:
        return "REFUSED", "bold red"
    return ("overridden", "yellow") if guard["overridden"] else ("ok", "green")


def _footer(document: JsonObject, width: int) -> Lines:
    body = object_(document["body"])
    guards = objects(body["guards"])
    refused = [str(guard["name"]) for guard in guards if guard["refused"]]
    if refused:
        yield Text(f"Refused by {', '.join(refused)}: apply will do nothing.", style="bold red")
    if body["public_only"]:
        yield from _prose(unapprovable(body), width, style="yellow")
    else:
        yield Text(f"Plan id {document['id']}", style="dim")


# Small shapes


def _prose(text: str, width: int, *, indent: int = 0, style: str = "") -> Lines:
    for line in wrapped(printable(text), width, indent):
        yield Text(line, style=style)


def _column(names: Sequence[str] | Mapping[str, object]) -> int:
    return min(max((len(name) for name in names), default=0), _LABELS)
