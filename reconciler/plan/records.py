"""Which records change: plaintext desired state against plaintext observed state, nothing derived on either side.

Ciphertext, document hashes, state root, generation and source are not in what is compared (DESIGN §4.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from reconciler.model.desired import DesiredRecord, DesiredState
from reconciler.model.ids import Address
from reconciler.model.json import Json, JsonObject
from reconciler.model.observed import ObservedRecord, Snapshot
from reconciler.model.source import SourceSpan
from reconciler.plan.action import RISKS, Action
from reconciler.plan.change import Change, FieldDiff
from reconciler.plan.fields import field_diff, plain, plain_object, same

GONE: Final = "no longer in the manifests"


def line(span: SourceSpan) -> str:
    """`file:line`, for a sentence."""
    return f"{span.file}:{span.line}"


def producer_change(desired: DesiredState, snapshot: Snapshot) -> Change | None:
    """The change of the producer's own record, or None. The root is respent anyway when any record changes."""
    wanted = desired.producer
    if snapshot.root is None:
        return _change(Action.CREATE, wanted, None, why=line(wanted.span))
    found = snapshot.root.record
    diff = tuple(_fields(_without_derived(found.public, wanted.public), found.sealed, wanted))
    if found.id != wanted.id:
        return _change(Action.REPLACE, wanted, found, why=f"the live root names {found.id.name}", diff=diff)
    return _change(Action.UPDATE, wanted, found, why=line(wanted.span), diff=diff) if diff else None


def record_changes(desired: DesiredState, snapshot: Snapshot) -> Iterator[Change]:
    """The changes of all other records, in no particular order."""
    lost = is_missing_records(snapshot)
    for wanted in desired.records:
        found = snapshot.records.get(wanted.id)
        if found is None:
            yield _change(
                Action.CREATE, wanted, None, why="the overlay has no such record" if lost else line(wanted.span)
            )
        elif not (same(found.public, wanted.public) and same(found.sealed, wanted.sealed)):
            diff = tuple(_fields(found.public, found.sealed, wanted))
            yield _change(Action.UPDATE, wanted, found, why=line(wanted.span), diff=diff)
    kept = {wanted.id for wanted in desired.records}
    for found in snapshot.records.values():
        if found.id not in kept:
            yield Change(
                object=Address.of_record(found.id),
                action=Action.DELETE,
                why=GONE,
                risk=RISKS[Action.DELETE],
                before=_sides(found.public, found.sealed),
            )


def is_missing_records(snapshot: Snapshot) -> bool:
    """Whether fewer records were found than the live root commits to: some were evicted, or are withheld."""
    return snapshot.root is not None and snapshot.root.leaf_count > len(snapshot.records)


def _change(
    action: Action, wanted: DesiredRecord, found: ObservedRecord | None, *, why: str, diff: tuple[FieldDiff, ...] = ()
) -> Change:
    after: dict[str, Json] = _sides(wanted.public, wanted.sealed)
    if wanted.content is not None:
        after |= {"path": wanted.content.path, "media_type": wanted.content.media_type}
    if wanted.parents:
        after["parents"] = [str(parent) for parent in wanted.parents]
    return Change(
        object=Address.of_record(wanted.id),
        action=action,
        why=why,
        source=str(wanted.span),
        risk=RISKS[action],
        before=None if found is None else _sides(found.public, found.sealed),
        after=after,
        diff=diff,
    )


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
