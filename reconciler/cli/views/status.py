"""Status, one object, and history, as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from reconciler.cli.views.state import list_json
from reconciler.cli.views.wallet import balance_json, paid_json, paid_text
from reconciler.control.history import History, Version
from reconciler.control.status import Status
from reconciler.model.ids import Address
from reconciler.model.json import Json
from reconciler.model.observed import Answer, Reading
from reconciler.observe.recorded import Recorded


def status_text(status: Status) -> str:
    """What is live, who says so, what is on its way, and the money."""
    return "\n".join(_status_lines(status))


def status_json(status: Status) -> dict[str, Json]:
    """The same for programs."""
    root = status.recorded.root
    return {
        "network": status.network.value,
        "identityKey": status.identity,
        "generation": None if root is None else root.generation,
        "root": None if root is None else str(root.record.outpoint),
        "stateRoot": None if root is None else root.state_root,
        "records": len(status.recorded.live.records),
        "replicas": len(status.recorded.live.replicas),
        "journal": None if status.last is None else {"entry": status.last.id, "state": status.last.state.value},
        "hosts": [
            {"host": reading.host, "answer": reading.answer.value, "root": str(reading.root) if reading.root else None}
            for reading in status.readings.readings
        ],
        "owed": [delivery.host for delivery in status.owed],
        "paidStorage": paid_json(status.unused),
        "balance": balance_json(status.balance),
        "faults": list(status.readings.faults),
    }


def shown_json(found: Recorded, address: Address) -> dict[str, Json] | None:
    """One recorded object, or None."""
    objects = list_json(found)["objects"]
    if not isinstance(objects, list):
        return None
    return next((dict(each) for each in objects if isinstance(each, dict) and each["object"] == str(address)), None)


def shown_text(shown: dict[str, Json]) -> str:
    """Its fields, nested ones as JSON."""
    width = max(map(len, shown))
    return "\n".join(
        f"{name:{width}}  {value if isinstance(value, str | int) else json.dumps(value, ensure_ascii=False, indent=2)}"
        for name, value in shown.items()
    )


def history_text(past: History) -> str:
    """One version a line, newest first."""
    if not past.versions:
        return "No host shows a version of it."
    rest = () if past.is_whole else ("There are older ones: --limit says how many to show.",)
    return "\n".join((*map(_version_line, past.versions), *rest))


def history_json(versions: Sequence[Version]) -> list[dict[str, Json]]:
    """The same for programs."""
    return [
        {
            "object": str(version.id),
            "outpoint": str(version.outpoint),
            "documentHash": version.document_hash,
            "height": version.height,
            "title": version.title,
            "generation": version.generation,
            "commit": version.commit,
        }
        for version in versions
    ]


def _status_lines(status: Status) -> Iterator[str]:
    root = status.recorded.root
    toy = " (nothing leaves this machine)" if status.network.is_toy else ""
    yield f"network     {status.network}{toy}"
    yield f"identity    {status.identity}"
    if root is None:
        yield "recorded    nothing is live"
    else:
        yield f"recorded    generation {root.generation}, {root.leaf_count} records, {len(status.recorded.live.replicas)} replicas"
        yield f"root        {root.record.outpoint}"
    if status.last is not None:
        yield f"last apply  {status.last.state}, {_instant(status.last.updated)}"
    for reading in status.readings.readings:
        yield f"host        {reading.host}: {_reading(reading, root.record.outpoint if root else None)}"
    for fault in status.readings.faults:
        yield f"✗           {fault}"
    for delivery in status.owed:
        yield f"owed        {delivery.host}: {delivery.last_error or 'not tried yet'}"
    for bought in status.unused:
        yield f"paid        {paid_text(bought)}"
    balance = status.balance
    yield f"wallet      {balance.total:,} sat ({balance.confirmed:,} confirmed, {balance.pending:,} pending, {balance.locked:,} locked)"


def _reading(reading: Reading, ours: object) -> str:
    if reading.answer is not Answer.ROOT:
        return "no root of this identity" if reading.answer is Answer.NONE else "no answer"
    return "shows the recorded root" if reading.root == ours else f"shows another root, {reading.root}"


def _version_line(version: Version) -> str:
    generation = "" if version.generation is None else f"generation {version.generation:<4} "
    block = "not mined" if version.height is None else f"block {version.height}"
    commit = f" commit {version.commit[:10]}" if version.commit else ""
    return f"{generation}{version.outpoint.txid[:16]}…{version.outpoint.vout:<4} {block:12}{commit} {version.title}".rstrip()


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
