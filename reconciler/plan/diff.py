"""The whole comparison of what is wanted with what is there: pure, and the same for any order of its inputs (I8)."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.desired import DesiredState
from reconciler.model.observed import Snapshot
from reconciler.plan.action import Action
from reconciler.plan.change import Change, Drift
from reconciler.plan.records import is_missing_records, producer_change, record_changes
from reconciler.plan.replicas import plan_copies


@dataclass(frozen=True, slots=True)
class Comparison:
    """All changes and all drift, sorted by address, and how many wanted objects are as they should be."""

    changes: tuple[Change, ...]
    drift: tuple[Drift, ...]
    unchanged: int


def diff(desired: DesiredState, snapshot: Snapshot) -> tuple[Change, ...]:
    """The changes that turn `snapshot` into `desired`, sorted by address."""
    return compare(desired, snapshot).changes


def compare(desired: DesiredState, snapshot: Snapshot) -> Comparison:
    """Compare records, then copies of content."""
    root = producer_change(desired, snapshot)
    records = [*record_changes(desired, snapshot), *([root] if root else [])]
    touched = {change.record for change in records}
    # With another Producer the storage hosts may be others; a copy that is missing then is asked for, not lost.
    settled = frozenset() if root else {record.id for record in desired.records if record.id not in touched}
    copies = plan_copies(desired, snapshot, settled=settled)
    wanted = sum(change.action is not Action.DELETE for change in records)
    return Comparison(
        changes=tuple(sorted([*records, *copies.changes], key=_address)),
        drift=tuple(sorted([*_lost(records, snapshot), *copies.drift], key=_address)),
        unchanged=1 + len(desired.records) - wanted + copies.unchanged,
    )


def _lost(records: list[Change], snapshot: Snapshot) -> list[Drift]:
    """Creates that may be re-creates. The root commits to a count, not to names, so a new record may be among them."""
    if snapshot.root is None or not is_missing_records(snapshot):
        return []
    detail = f"the live root covers {snapshot.root.leaf_count} records, {len(snapshot.records)} were found"
    return [Drift(change.object, detail) for change in records if change.action is Action.CREATE]


def _address(item: Change | Drift) -> tuple[str, str]:
    return item.object.type, item.object.path
