"""The plan as text, from the plan document and nothing else: what changes and why, what it costs, what forbids it.

Read from the top it is an explanation; the last line has fixed words for programs that grep (DESIGN §8).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias, cast

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from reconciler.cli.views.fitting import fitted, printable, wrapped
from reconciler.model.ids import Network
from reconciler.model.json import Json, JsonObject
from reconciler.model.observed import Answer
from reconciler.plan.action import Action
from reconciler.plan.change import Edit

NO_CHANGES: Final = "No changes. The overlay matches the manifests."

_STYLES: Final = {
    Action.CREATE: "green",
    Action.UPDATE: "yellow",
    Action.REPLACE: "magenta",
    Action.RENEW: "cyan",
    Action.MOVE: "blue",
    Action.ADOPT: "blue",
    Action.DELETE: "red",
}
_ALWAYS_COUNTED: Final = frozenset({Action.CREATE, Action.UPDATE, Action.DELETE})
_INDENT: Final = 6
_OUTPOINT: Final = 19
"""Columns for an outpoint that is only to be recognised."""

_VERDICT: Final = len("overridden")
_LABELS: Final = 32
"""The widest column of field names; longer names are shortened."""

Lines: TypeAlias = Iterator[Text]


def render(document: JsonObject, *, width: int, colour: bool) -> str:
    """The whole plan as lines of at most `width` columns (words that have no break excepted), without a final newline."""
    blocks = [list(block) for block in _blocks(document, width)]
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
        console.print(line, soft_wrap=True)
    return buffer.getvalue() + last_line(_object(document["body"]))


def last_line(body: JsonObject) -> str:
    """`Plan: 3 to create, 1 to update, 0 to delete.`, others appended where there are some; or that nothing changes."""
    if not _objects(body["changes"]):
        return NO_CHANGES
    summary = _object(body["summary"])
    always = [Action.CREATE, Action.UPDATE, Action.DELETE]
    others = [action for action in Action if action not in _ALWAYS_COUNTED and summary[action]]
    return "Plan: " + ", ".join(f"{summary[action]} to {action}" for action in (*always, *others)) + "."


def _blocks(document: JsonObject, width: int) -> Iterator[Lines]:
    body, meta = _object(document["body"]), _object(document["meta"])
    yield _header(body, meta, width)
    yield _drift(body, width)
    changes = _objects(body["changes"])
    for change in changes:
        if not _is_replica(change):
            yield _object_block(change, width)
    yield _copies([change for change in changes if _is_replica(change)], width)
    if changes:
        yield _unchanged(body)
        yield _cost(body)
        yield _guards(body, width)
        yield _footer(document)


# What is being planned


def _header(body: JsonObject, meta: JsonObject, width: int) -> Lines:
    network = Network(str(body["network"]))
    producer = _object(body["producer"])
    reach = ": nothing leaves this machine" if network.is_toy else ""
    yield Text.assemble((printable(str(producer["name"])), "bold"), f" on {network}{reach}")
    generation = body["previous_generation"]
    yield Text("Nothing is live yet." if generation is None else f"Generation {generation} is live.")
    for reading in _objects(meta["readings"]):
        told = f"{_instant(reading['at'])}  {reading['host']} {_answer(reading, body)}"
        yield Text("  " + fitted(printable(told), width - 2))
    if meta["probed_at"] is not None:
        yield Text(f"  {_instant(meta['probed_at'])}  the storage hosts were asked for their copies")
    overrides = [str(flag) for flag in _array(body["overrides"])]
    if overrides:
        yield from _prose(f"Overrides: {', '.join(overrides)}.", width, style="yellow")


def _answer(reading: JsonObject, body: JsonObject) -> str:
    match Answer(str(reading["answer"])):
        case Answer.ROOT if reading["root"] == body["root"]:
            return "shows it"
        case Answer.ROOT:
            return f"shows another root, {fitted(str(reading['root']), _OUTPOINT)}"
        case Answer.NONE:
            return "knows of nothing"
        case Answer.UNREACHABLE:
            return "did not answer"


def _drift(body: JsonObject, width: int) -> Lines:
    drift = _objects(body["drift"])
    if drift:
        yield Text("Drift: changed, though not by the manifests", style="bold")
    for item in drift:
        yield from _prose(f"{item['object']}: {item['detail']}", width, indent=2)


# What changes


def _object_block(change: JsonObject, width: int) -> Lines:
    action, source = Action(str(change["action"])), _place(change)
    yield from _heading(action, str(change["object"]), source, width)
    if change["why"] != source:
        yield from _prose(str(change["why"]), width, indent=_INDENT, style="dim")
    if action is Action.CREATE:
        yield from _created(_object(change["after"]), width)
    elif change["after"] is not None:
        yield from _edited(_objects(change["diff"]), width)
        yield from _rest(change)


def _heading(action: Action, subject: str, source: str, width: int) -> Lines:
    style = _STYLES[action]
    line = Text.assemble("  ", (action.glyph, style), " ", (printable(subject), "bold"), f" {action.phrase}")
    gap = width - line.cell_len - len(source)
    if source and gap >= 2:
        line.append(" " * gap + printable(source), style="dim")
        source = ""
    yield line
    if source:
        yield Text(" " * _INDENT + printable(source), style="dim")


def _created(after: JsonObject, width: int) -> Lines:
    """The top-level fields; whoever wants the leaves of a data schema has the document."""
    fields = {
        _label(f"{side}.{name}"): _shown(value)
        for side in ("public", "sealed")
        for name, value in sorted(_object(after[side]).items())
    }
    if "path" in after:
        fields["path"] = _shown(after["path"])
    column = _column(fields)
    for name, value in fields.items():
        room = width - _INDENT - column - 2
        yield Text(" " * _INDENT + fitted(name, column).ljust(column) + "  " + fitted(value, room))


def _edited(diff: Sequence[JsonObject], width: int) -> Lines:
    column = _column([_label(str(field["path"])) for field in diff])
    for field in diff:
        edit = Edit(str(field["edit"]))
        before = "(none)" if edit is Edit.ADD else _shown(field["before"])
        after = "(none)" if edit is Edit.REMOVE else _shown(field["after"])
        yield from _arrow(_label(str(field["path"])), before, after, column, width)


def _arrow(name: str, before: str, after: str, column: int, width: int) -> Lines:
    """`name  before -> after` on one line where it fits, else on two, shortened as far as needed."""
    head = " " * _INDENT + fitted(name, column).ljust(column) + "  "
    room = width - len(head)
    if cell_len(before) + cell_len(after) + 4 <= room:
        yield Text.assemble(head, (before, "red"), " -> ", (after, "green"))
        return
    yield Text.assemble(head, (fitted(before, room), "red"))
    yield Text.assemble(" " * (len(head) - 3), "-> ", (fitted(after, room), "green"))


def _rest(change: JsonObject) -> Lines:
    """How many fields stay, counted as the reader would: the fields of the manifest."""
    after = _object(change["after"])
    names = {f"{side}.{name}" for side in ("public", "sealed") for name in _object(after[side])}
    touched = {".".join(str(field["path"]).split(".")[:2]) for field in _objects(change["diff"])}
    count = len(names - touched)
    if count:
        yield Text(" " * _INDENT + f"{_counted(count, 'field')} unchanged", style="dim")


def _copies(changes: Sequence[JsonObject], width: int) -> Lines:
    """Replicas, one line for all hosts to which the same happens for the same reason."""
    groups: dict[tuple[str, Action, str], list[str]] = {}
    for change in changes:
        dataset, _, host = str(change["object"]).rpartition("@")
        why = "" if change["why"] == _place(change) else str(change["why"])
        groups.setdefault((dataset, Action(str(change["action"])), why), []).append(host)
    for (dataset, action, why), hosts in groups.items():
        yield from _heading(action, f"{dataset}@{','.join(hosts)}", "", width)
        if why:
            yield from _prose(why, width, indent=_INDENT, style="dim")


def _unchanged(body: JsonObject) -> Lines:
    count = _integer(_object(body["summary"])["unchanged"])
    if count:
        yield Text(f"  {_counted(count, 'object')} unchanged", style="dim")


# What it costs, and what forbids it


def _cost(body: JsonObject) -> Lines:
    cost = _object(body["cost"])
    transactions = _integer(cost["transactions"])
    if not transactions:
        yield Text("Cost: nothing; no transaction is needed.")
        return
    size = f"{_counted(transactions, 'transaction')} of at most {_integer(cost['bytes']):,} bytes"
    yield Text.assemble(("Cost", "bold"), f": {size}")
    locked = _integer(cost["locked_satoshis"])
    rows = {
        "fee": _integer(cost["fee_satoshis"]),
        "locked in tokens" if locked >= 0 else "released from tokens": abs(locked),
        "storage": _integer(cost["storage_satoshis"]),
    }
    digits = max(len(f"{amount:,}") for amount in rows.values())
    column = _column(rows)
    for name, amount in rows.items():
        yield Text(f"  {name.ljust(column)}  {amount:>{digits},} satoshi{'' if amount == 1 else 's'}")


def _guards(body: JsonObject, width: int) -> Lines:
    guards = _objects(body["guards"])
    if guards:
        yield Text("Guards", style="bold")
    column = _column([str(guard["name"]) for guard in guards])
    for guard in guards:
        word, style = _verdict(guard)
        head = f"  {str(guard['name']).ljust(column)}  "
        facts = _facts(guard, width - len(head) - _VERDICT - 2)
        yield Text.assemble(head, (word.ljust(_VERDICT), style), "  ", facts[0])
        yield from (Text(" " * (len(head) + _VERDICT + 2) + fact) for fact in facts[1:])
        if guard["refused"]:
            override = f"; {guard['override']} lets it pass" if guard["override"] else ""
            yield from _prose(f"{guard['detail']}{override}", width, indent=len(head), style="red")


def _facts(guard: JsonObject, room: int) -> list[str]:
    value, limit = printable(str(guard["value"])), printable(str(guard["limit"]))
    line = f"{value} (limit: {limit})"
    return [line] if cell_len(line) <= room else [fitted(value, room), fitted(f"limit: {limit}", room)]


def _verdict(guard: JsonObject) -> tuple[str, str]:
    if guard["refused"]:
        return "REFUSED", "bold red"
    return ("overridden", "yellow") if guard["overridden"] else ("ok", "green")


def _footer(document: JsonObject) -> Lines:
    guards = _objects(_object(document["body"])["guards"])
    refused = [str(guard["name"]) for guard in guards if guard["refused"]]
    if refused:
        yield Text(f"Refused by {', '.join(refused)}: apply will do nothing.", style="bold red")
    yield Text(f"Plan id {document['id']}", style="dim")


# Small shapes


def _prose(text: str, width: int, *, indent: int = 0, style: str = "") -> Lines:
    for line in wrapped(printable(text), width, indent):
        yield Text(line, style=style)


def _shown(value: Json) -> str:
    return printable(json.dumps(value, ensure_ascii=False, sort_keys=True))


def _label(path: str) -> str:
    """Public fields go by the name that they have in the manifest; the others say that they are sealed."""
    return path.removeprefix("public.")


def _column(names: Sequence[str] | Mapping[str, object]) -> int:
    return min(max((len(name) for name in names), default=0), _LABELS)


def _place(change: JsonObject) -> str:
    """`file:line` of the change's source; empty where it has none."""
    return str(change["source"]).rpartition(":")[0] if change["source"] is not None else ""


def _is_replica(change: JsonObject) -> bool:
    return str(change["object"]).startswith("replica/")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _instant(seconds: Json) -> str:
    return datetime.fromtimestamp(_integer(seconds), UTC).strftime("%Y-%m-%d %H:%M UTC")


# The document is ours and was checked when it was read; these only tell the type checker so.


def _object(value: Json) -> JsonObject:
    return cast(JsonObject, value)


def _array(value: Json) -> Sequence[Json]:
    return cast(Sequence[Json], value)


def _objects(value: Json) -> Sequence[JsonObject]:
    return cast(Sequence[JsonObject], value)


def _integer(value: Json) -> int:
    return cast(int, value)
