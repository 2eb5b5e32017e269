"""Which records change: plaintext desired state against plaintext observed state, nothing derived on either side.

Ciphertext, document hashes, state root, generation and source are not in what is compared (DESIGN §4.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from reconciler.model.desired import Content, DesiredRecord, DesiredState
from reconciler.model.ids import Address, RecordId
from reconciler.model.json import Json, JsonObject
from reconciler.model.observed import ObservedRecord, Snapshot
from reconciler.model.source import SourceSpan
from reconciler.plan.action import RISKS, Action
from reconciler.plan.change import Change, FieldDiff
from reconciler.plan.fields import field_diff, plain, plain_object, same
from reconciler.plan.moves import Moves
from reconciler.plan.occasion import Occasions

GONE: Final = "no longer in the manifests"


def line(span: SourceSpan) -> str:
    """`file:line`, for a sentence."""
    return f"{span.file}:{span.line}"


def producer_change(desired: DesiredState, snapshot: Snapshot, occasions: Occasions) -> Change | None:
    """The change of the producer's own record, or None. The root is respent anyway when any record changes."""
    wanted = desired.producer
    if snapshot.root is None:
        return _change(Action.CREATE, wanted, None, why=line(wanted.span))
    found = snapshot.root.record
    diff = tuple(_fields(_without_derived(found.public, wanted.public), found.sealed, wanted))
    if found.id != wanted.id:
        return _change(Action.REPLACE, wanted, found, why=f"the live root names {found.id.name}", diff=diff)
    if snapshot.rivals:
        second = ", ".join(map(str, snapshot.rivals))
        return _change(
            Action.REPLACE, wanted, found, why=f"a second root is live, and is to be spent: {second}", diff=diff
        )
    return _same_name(wanted, found, diff, occasions)


def record_changes(desired: DesiredState, snapshot: Snapshot, moves: Moves, occasions: Occasions) -> Iterator[Change]:
    """The changes of all other records, in no particular order."""
    lost = is_missing_records(snapshot)
    for wanted in desired.records:
        found = snapshot.records.get(wanted.id)
        if wanted.id in moves.old:
            yield _move(wanted, snapshot.records[moves.old[wanted.id]])
        elif found is None:
            drifted = occasions.drifted.get(Address.of_record(wanted.id))
            why = "the overlay has no such record" if lost else _asked(wanted, snapshot)
            yield _change(Action.CREATE, wanted, None, why=drifted or why)
        else:
            is_same = same(found.public, wanted.public) and same(found.sealed, wanted.sealed)
            diff = () if is_same else tuple(_fields(found.public, found.sealed, wanted))
            change = _same_name(wanted, found, diff, occasions)
            if change is not None:
                yield change
    kept = {wanted.id for wanted in desired.records} | moves.new.keys()
    created = _contents(desired, snapshot, moves)
    for found in snapshot.records.values():
        if found.id not in kept:
            yield delete_record(found, _gone(found, created))


def replace_root(found: ObservedRecord, why: str) -> Change:
    """The change that gives the producer's own record, as it is, another token."""
    sides = _sides(found.public, found.sealed)
    return Change(
        object=Address.of_record(found.id),
        action=Action.REPLACE,
        why=why,
        risk=RISKS[Action.REPLACE],
        before=sides,
        after=sides,
    )


def delete_record(found: ObservedRecord, why: str) -> Change:
    """The change that takes a record away, the producer's own included."""
    return Change(
        object=Address.of_record(found.id),
        action=Action.DELETE,
        why=why,
        risk=RISKS[Action.DELETE],
        before=_sides(found.public, found.sealed),
    )


def is_missing_records(snapshot: Snapshot) -> bool:
    """Whether fewer records were found than the live root commits to: some were evicted, or are withheld."""
    return snapshot.root is not None and snapshot.root.leaf_count > len(snapshot.records)


def _same_name(
    wanted: DesiredRecord, found: ObservedRecord, diff: tuple[FieldDiff, ...], occasions: Occasions
) -> Change | None:
    address = Address.of_record(wanted.id)
    new_token = occasions.new_token(address)
    if new_token is not None:
        return _change(Action.REPLACE, wanted, found, why=new_token, diff=diff)
    if diff:
        return _change(Action.UPDATE, wanted, found, why=line(wanted.span), diff=diff)
    drifted = occasions.drifted.get(address)
    return _change(Action.ADOPT, wanted, None, why=drifted) if drifted else None


def _move(wanted: DesiredRecord, found: ObservedRecord) -> Change:
    """The old document's hash becomes a parent of the new one: that is how history goes on under another name."""
    return _change(
        Action.MOVE,
        wanted,
        found,
        why=line(wanted.span),
        diff=tuple(_fields(found.public, found.sealed, wanted)),
        moved_from=found.id,
        parent=found.document_hash,
    )


def _asked(wanted: DesiredRecord, snapshot: Snapshot) -> str:
    """Where it was written, and why it is no move although it says `renamedFrom`."""
    where, old = line(wanted.span), wanted.renamed_from
    if old is None:
        return where
    if old not in snapshot.records:
        return f"{where}; there is no live {old} to be renamed, so it is new"
    return f"{where}; {old} is wanted under its old name too, so this one is new"


def _gone(found: ObservedRecord, created: Mapping[str, RecordId]) -> str:
    twin = created.get(_digest(found.sealed) or "")
    hint = f"; {twin} is created with the same content: to rename, say metadata.renamedFrom: {found.id.name}"
    return GONE if twin is None or twin.kind is not found.id.kind else GONE + hint


def _contents(desired: DesiredState, snapshot: Snapshot, moves: Moves) -> dict[str, RecordId]:
    """The records that will be created, by the plaintext digest of their content; the first name of equals."""
    created = (record for record in desired.records if record.id not in snapshot.records and record.id not in moves.old)
    by_content = ((_digest(record.sealed), record.id) for record in created)
    return {content: record for content, record in sorted(by_content, reverse=True, key=_by_name) if content}


def _by_name(pair: tuple[str | None, RecordId]) -> RecordId:
    return pair[1]


def _digest(sealed: JsonObject) -> str | None:
    match sealed.get("content"):
        case {"sha256": str(sha256)}:
            return sha256
        case _:
            return None


def _change(
    action: Action,
    wanted: DesiredRecord,
    found: ObservedRecord | None,
    *,
    why: str,
    diff: tuple[FieldDiff, ...] = (),
    moved_from: RecordId | None = None,
    parent: str | None = None,
) -> Change:
    parents = list(dict.fromkeys([*map(str, wanted.parents), *([parent] if parent else [])]))
    return Change(
        object=Address.of_record(wanted.id),
        action=action,
        why=why,
        source=str(wanted.span),
        risk=RISKS[action],
        before=None if found is None else _sides(found.public, found.sealed),
        after={
            **_sides(wanted.public, wanted.sealed),
            **(_content(wanted, wanted.content) if wanted.content else {}),
            **({"parents": list[Json](parents)} if parents else {}),
        },
        moved_from=Address.of_record(moved_from) if moved_from else None,
        diff=diff,
    )


def _content(wanted: DesiredRecord, content: Content) -> dict[str, Json]:
    return {
        "paths": list(content.paths),
        "media_type": content.media_type,
        "sold": wanted.is_sold,
        **origin(content),
    }


def origin(content: Content) -> dict[str, Json]:
    """Where pinned bytes can be had, if they are not on this machine."""
    places = {"url": content.url, "uhrp": content.uhrp}
    return {name: place for name, place in places.items() if place is not None}


def _sides(public: JsonObject, sealed: JsonObject) -> dict[str, Json]:
    return {"public": plain(public), "sealed": plain(sealed)}


def _fields(public: JsonObject, sealed: JsonObject, wanted: DesiredRecord) -> Iterator[FieldDiff]:
    before = {"public": public, "sealed": sealed}
    return field_diff(before, {"public": wanted.public, "sealed": wanted.sealed})


def _without_derived(found: JsonObject, wanted: JsonObject) -> JsonObject:
    """`found` without a gateway key that the manifest does not name: it stays what it is (PROTOCOL §3)."""
    gateway, named = found.get("gateway"), wanted.get("gateway")
    if not isinstance(gateway, Mapping) or (isinstance(named, Mapping) and "identityKey" in named):
        return found
    rest: dict[str, Json] = {key: value for key, value in plain_object(gateway).items() if key != "identityKey"}
    others = {key: value for key, value in found.items() if key != "gateway"}
    return {**others, "gateway": rest} if rest or named is not None else others
