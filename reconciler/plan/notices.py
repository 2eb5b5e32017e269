"""What follows from a plan that no field shows: plaintext that stays readable, what must still be delivered or stays behind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from reconciler.model.desired import DesiredRecord
from reconciler.model.ids import Address, IdentityKey, Kind, ObjectType, RecordId
from reconciler.model.json import JsonObject
from reconciler.plan.action import Action
from reconciler.plan.change import Change, Notice
from reconciler.plan.dates import day
from reconciler.plan.moves import Moves
from reconciler.plan.prices import is_priced


def notices(records: Iterable[DesiredRecord], changes: Sequence[Change], moves: Moves, now: int) -> Iterator[Notice]:
    """Everything worth a warning, in no particular order."""
    replaced = _readable_until_now(changes, moves, now)
    for record in records:
        if record.id in replaced:
            yield from _between_free_and_sold(record, replaced[record.id])
    for change in changes:
        if change.action is Action.DELETE and change.object.type is ObjectType.RECORD and _was_sold(change):
            yield Notice(change.object, "it was for sale: unspent receipts stay deliverable until their end")


def left_behind(producer: RecordId, identity: IdentityKey, bound: IdentityKey | None) -> Iterator[Notice]:
    """What a plan for one identity does not touch on a machine that has recorded another one's: all of that."""
    if bound not in {None, identity}:
        detail = (
            f"what {bound} published and has not handed over stays as it is, coins included; `overlay destroy` with that "
            "key, before or after this, takes it back"
        )
        yield Notice(Address.of_record(producer), detail)


def _readable_until_now(changes: Iterable[Change], moves: Moves, now: int) -> dict[RecordId, list[JsonObject]]:
    """The copies that do not stay as they are, as they were, by the dataset as it is called from now on."""
    copies: defaultdict[RecordId, list[JsonObject]] = defaultdict(list)
    for change in changes:
        before = change.before
        if change.object.type is ObjectType.REPLICA and before is not None and _expires(before) > now:
            dataset = RecordId(Kind.DATASET, str(before["dataset"]))
            copies[moves.new.get(dataset, dataset)].append(before)
    return copies


def _between_free_and_sold(record: DesiredRecord, copies: Sequence[JsonObject]) -> Iterator[Notice]:
    address = Address.of_record(record.id)
    plain = [copy for copy in copies if not copy["sold"]]
    if record.is_sold and plain:
        until: defaultdict[str, list[str]] = defaultdict(list)
        for copy in plain:
            until[day(_expires(copy))].append(str(copy["host"]))
        where = "; ".join(f"until {date} on {', '.join(sorted(hosts))}" for date, hosts in sorted(until.items()))
        yield Notice(address, f"it was free until now: the plaintext stays readable {where}")
    if not record.is_sold and len(plain) < len(copies):
        yield Notice(address, "it was for sale until now: from now on anyone can read it")


def _expires(copy: JsonObject) -> int:
    expires = copy["expires"]
    return expires if isinstance(expires, int) else 0


def _was_sold(change: Change) -> bool:
    public = (change.before or {}).get("public")
    is_good = RecordId.parse(change.object.path).kind in {Kind.DATASET, Kind.STREAM}
    return is_good and isinstance(public, dict) and is_priced(public)
