"""Which live records go on under another name (MANIFESTS §3): their history is kept, and nothing of them is deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.model.desired import DesiredRecord, DesiredState
from reconciler.model.ids import RecordId
from reconciler.model.observed import Snapshot


@dataclass(frozen=True, slots=True)
class Moves:
    """New name to old name, and old to new."""

    old: Mapping[RecordId, RecordId]
    new: Mapping[RecordId, RecordId]


NO_MOVES: Final = Moves({}, {})


def find_moves(desired: DesiredState, snapshot: Snapshot) -> Moves:
    """The records that move: the old one is live and no longer wanted, the new one is not live yet; each moves once."""
    wanted = {record.id for record in desired.records}
    old: dict[RecordId, RecordId] = {}
    new: dict[RecordId, RecordId] = {}
    for record in sorted(desired.records, key=_id):
        source = record.renamed_from
        is_free = source is not None and source in snapshot.records and source not in wanted and source not in new
        if source is not None and is_free and record.id not in snapshot.records:
            old[record.id], new[source] = source, record.id
    return Moves(old, new)


def _id(record: DesiredRecord) -> RecordId:
    return record.id
