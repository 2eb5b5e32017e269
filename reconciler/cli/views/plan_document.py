"""The plan document as views read it: its parts as they are typed, and the sentences that every view says the same way."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, cast

from reconciler.cli.escaping import printable
from reconciler.cli.views.fitting import fitted
from reconciler.model.durations import duration
from reconciler.model.ids import Network
from reconciler.model.json import Json, JsonObject
from reconciler.model.observed import Answer
from reconciler.plan.action import Action

NO_CHANGES: Final = "No changes. The overlay matches the manifests."

SEALED: Final = "Sealed parts not compared."

_ALWAYS_COUNTED: Final = (Action.CREATE, Action.UPDATE, Action.DELETE)
_COMMIT_DIGITS: Final = 10
_OUTPOINT: Final = 19
"""Columns for an outpoint that is only to be recognised."""


def last_line(body: JsonObject) -> str:
    """`Plan: 3 to create, 1 to update, 0 to delete.`, others appended where there are some; or that nothing changes.

    The words are fixed (DESIGN §8). What a restricted plan left out is not known to match, and that is said.
    """
    if not objects(body["changes"]):
        partial = "No changes. PARTIAL: nothing else was compared."
        return partial if body["partial"] else f"No changes. {SEALED}" if body["public_only"] else NO_CHANGES
    summary = object_(body["summary"])
    others = [action for action in Action if action not in _ALWAYS_COUNTED and summary[action]]
    counts = ", ".join(f"{summary[action]} to {action}" for action in (*_ALWAYS_COUNTED, *others))
    return f"Plan: {counts}.{' PARTIAL.' if body['partial'] else ''}{f' {SEALED}' if body['public_only'] else ''}"


def title(body: JsonObject) -> tuple[str, str]:
    """The producer's name, and where it is published."""
    network = Network(str(body["network"]))
    reach = ": nothing leaves this machine" if network.is_toy else ""
    return str(object_(body["producer"])["name"]), f"on {network}{reach}"


def commit(document: JsonObject) -> str:
    """What git says of the manifests; empty where it says nothing."""
    meta = object_(document["meta"])
    if meta["commit"] is None:
        return ""
    changed = ", with changes that are not committed" if meta["dirty"] else ""
    return f"Manifests of commit {str(meta['commit'])[:_COMMIT_DIGITS]}{changed}."


def generation(body: JsonObject) -> str:
    """Which generation is live."""
    live = body["previous_generation"]
    return "Nothing is live yet." if live is None else f"Generation {live} is live."


def unapprovable(body: JsonObject) -> str:
    """That nobody can approve the plan, and why; empty where its id can be."""
    made = (
        "Made without the key: the cost is not known, sealed parts are not compared, and nobody can approve this plan."
    )
    return made if body["public_only"] else ""


def restriction(body: JsonObject) -> str:
    """What a restricted plan is restricted to; empty where it is not."""
    if not body["partial"]:
        return ""
    targets, excludes = ", ".join(texts(body["targets"])), ", ".join(texts(body["excludes"]))
    only = f"only {targets}, and what that refers to" if targets else "everything"
    return f"PARTIAL: {only}{f', but not {excludes}' if excludes else ''}."


def rotation(body: JsonObject) -> str:
    """Which key hands over to which; empty where none does."""
    if body["rotation"] is None:
        return ""
    to = object_(body["rotation"])
    seconds = to["transition"]
    valid = duration(1000 * seconds) if isinstance(seconds, int) else ""
    return (
        f"Key rotation: {body['identity']} hands everything over to {to['to']}; what it signed stays valid for {valid}."
    )


def readings(document: JsonObject) -> list[str]:
    """Who said what is live, and when."""
    body, meta = object_(document["body"]), object_(document["meta"])
    told = [
        f"{instant(reading['at'])}  {reading['host']} {_answer(reading, body)}" for reading in objects(meta["readings"])
    ]
    if meta["probed_at"] is not None:
        told.append(f"{instant(meta['probed_at'])}  the storage hosts were asked for their copies")
    return told


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


def fields_of(after: JsonObject) -> dict[str, str]:
    """What an object has on one side, by the names of the manifest: top-level fields only, the document has the rest.

    Public fields go by their own name, the others say that they are sealed; a setting, which is sealed as a whole, need not.
    """
    sides = (("", "public"), ("sealed.", "sealed"), ("", "value"))
    fields = {
        f"{prefix}{name}": shown(value)
        for prefix, side in sides
        for name, value in sorted(object_(after.get(side, {})).items())
    }
    return fields | {name: shown(value) for name, value in _place(after).items()}


def _place(after: JsonObject) -> dict[str, Json]:
    """Where an advertisement points to, or a dataset's bytes are; for a pattern's file its own path."""
    match after.get("paths"):
        case [path]:
            return {"path": path}
        case [_, *_] as paths:
            return {"parts": paths}
        case _:
            return {name: after[name] for name in ("url", "uhrp") if after.get(name)}


def label(path: str) -> str:
    """The name of a changed field, as `fields_of` names it."""
    return path.removeprefix("public.").removeprefix("value.")


def copies(changes: Sequence[JsonObject]) -> list[tuple[str, Action, list[str]]]:
    """Stored copies, all hosts together to which the same happens for the same reasons: what, what happens, and why."""
    groups: dict[tuple[str, Action, tuple[str, ...]], list[str]] = {}
    for change in changes:
        dataset, _, host = str(change["object"]).rpartition("@")
        whys = tuple(text for text in (why_of(change), moved_from(change).rpartition("@")[0]) if text)
        groups.setdefault((dataset, Action(str(change["action"])), whys), []).append(host)
    return [(f"{dataset}@{','.join(hosts)}", action, list(whys)) for (dataset, action, whys), hosts in groups.items()]


@dataclass(frozen=True, slots=True)
class Sort:
    """What changes have in common of which one tells of the others."""

    kind: str
    action: str
    fields: tuple[str, ...]
    """The changed ones, as in the manifest; none where an object comes or goes as a whole."""


def sort_of(change: JsonObject) -> Sort:
    """The sort that a change is of."""
    names = str(change["object"]).split("/")
    kind = "/".join(names[:2]) if names[0] in {"record", "setting"} else names[0]
    is_whole = change["before"] is None or change["after"] is None
    paths = () if is_whole else [str(field["path"]).split(".") for field in objects(change["diff"])]
    return Sort(kind, str(change["action"]), tuple(sorted({label(".".join(path[:2])) for path in paths})))


def cost_rows(body: JsonObject) -> dict[str, int]:
    """What the plan costs, in satoshis, by what for."""
    cost = object_(body["cost"])
    locked, running = integer(cost["locked_satoshis"]), integer(cost["running"])
    rows = {
        "fee": integer(cost["fee_satoshis"]),
        "locked in tokens" if locked >= 0 else "released from tokens": abs(locked),
        "storage": integer(cost["storage_satoshis"]),
    }
    return rows | ({"storage, every further 180 days": running} if running else {})


def cost_line(body: JsonObject) -> str:
    """How many transactions, and of what size."""
    transactions = objects(body["transactions"])
    if not transactions:
        return "no transaction is needed"
    size = sum(integer(transaction["size"]) for transaction in transactions)
    counts = Counter(str(transaction["role"]) for transaction in transactions)
    roles = ", ".join(role if count == 1 else f"{count} x {role}" for role, count in counts.items())
    named = f" ({roles})" if len(transactions) > 1 else ""
    return f"{counted(len(transactions), 'transaction')}{named} of at most {size:,} bytes"


def moved_from(change: JsonObject) -> str:
    """Where a moved object was; empty for all others."""
    return "" if change["moved_from"] is None else f"from {change['moved_from']}"


def shown(value: Json) -> str:
    """A value as one line of JSON."""
    return printable(json.dumps(value, ensure_ascii=False, sort_keys=True))


def place(change: JsonObject) -> str:
    """`file:line` of the change's source; empty where it has none."""
    return str(change["source"]).rpartition(":")[0] if change["source"] is not None else ""


def why_of(change: JsonObject) -> str:
    """Why, beyond that it is written at `place`; empty where there is no more to say."""
    return str(change["why"]).removeprefix(place(change)).removeprefix("; ")


def is_replica(change: JsonObject) -> bool:
    """Whether the change is one of a stored copy."""
    return str(change["object"]).startswith("replica/")


def counted(number: int, noun: str) -> str:
    """`1 object`, `1,000 objects`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def instant(seconds: Json) -> str:
    """A moment, to the minute."""
    return datetime.fromtimestamp(integer(seconds), UTC).strftime("%Y-%m-%d %H:%M UTC")


# The document is ours and was checked when it was read; these only tell the type checker so.


def object_(value: Json) -> JsonObject:
    """A part that is an object."""
    return cast("Mapping[str, Json]", value)


def objects(value: Json) -> Sequence[JsonObject]:
    """A part that is a list of objects."""
    return cast("Sequence[JsonObject]", value)


def texts(value: Json) -> Sequence[str]:
    """A part that is a list of texts."""
    return cast("Sequence[str]", value)


def integer(value: Json) -> int:
    """A part that is a whole number."""
    return cast("int", value)
