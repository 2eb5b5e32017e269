"""Recorded objects, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.apply.lease import Held
from reconciler.model.ids import Address, ObjectType
from reconciler.model.json import Json
from reconciler.model.observed import ObservedRecord, ObservedReplica, ObservedRoot
from reconciler.observe.recorded import Recorded


def list_text(found: Recorded) -> str:
    """One address a line, with what identifies it."""
    if found.root is None:
        return "Nothing is recorded as live."
    rows = [(str(Address.of_record(record.id)), str(record.outpoint)) for record in _records(found)]
    rows += [(str(Address.of_ad(ad.protocol, ad.name)), ad.url) for ad in found.root.ads]
    rows += [(str(Address.of_replica(copy.dataset, copy.host)), copy.parts[0]) for copy in found.live.replicas]
    rows += [(str(Address(ObjectType.SETTING, path)), "sealed in the root") for path in found.root.settings]
    width = max(len(address) for address, _ in rows)
    return "\n".join(f"{address:{width}}  {identifier}" for address, identifier in rows)


def list_json(found: Recorded) -> dict[str, Json]:
    """The same, whole."""
    root = found.root
    return {
        "generation": None if root is None else root.generation,
        "root": None if root is None else str(root.record.outpoint),
        "stateRoot": None if root is None else root.state_root,
        "objects": [_record_json(record) for record in _records(found)]
        + [replica_json(replica) for replica in found.live.replicas]
        + ([] if root is None else [*_ads_json(root), *_settings_json(root)]),
    }


def replica_json(copy: ObservedReplica) -> dict[str, Json]:
    """A stored copy."""
    return {
        "object": str(Address.of_replica(copy.dataset, copy.host)),
        "content": copy.content,
        "parts": list(copy.parts),
        "size": copy.size,
        "expires": copy.expires,
    }


def _record_json(record: ObservedRecord) -> dict[str, Json]:
    return {
        "object": str(Address.of_record(record.id)),
        "outpoint": str(record.outpoint),
        "documentHash": record.document_hash,
        "public": record.public,
    }


def _ads_json(root: ObservedRoot) -> Iterator[dict[str, Json]]:
    for ad in root.ads:
        yield {"object": str(Address.of_ad(ad.protocol, ad.name)), "url": ad.url}


def _settings_json(root: ObservedRoot) -> Iterator[dict[str, Json]]:
    for path, value in root.settings.items():
        yield {"object": str(Address(ObjectType.SETTING, path)), "value": value}


def _records(found: Recorded) -> Iterator[ObservedRecord]:
    if found.root is not None:
        yield found.root.record
    yield from found.live.records.values()


def held_text(held: Held, *, now: int) -> str:
    """Who holds the apply lease."""
    owner, since = held.holder.owner, now - held.holder.since
    state = "which is gone" if held.is_dead else "which may be alive"
    return f"The lease is held by process {owner.pid} on {owner.host}, {state}, since {since} s ago."


def unlocked_text(held: Held | None, *, released: bool) -> str:
    """How `state unlock` ended."""
    if held is None:
        return "Nobody holds the lease."
    return "The lease is released." if released else "Nothing was released."


def unlocked_json(held: Held | None, *, released: bool) -> dict[str, Json]:
    """The same for programs; times in unix seconds."""
    if held is None:
        return {"holder": None, "released": False}
    holder = held.holder
    shown: dict[str, Json] = {
        "host": holder.owner.host,
        "pid": holder.owner.pid,
        "since": holder.since,
        "until": holder.until,
        "gone": held.is_dead,
    }
    return {"holder": shown, "released": released}
