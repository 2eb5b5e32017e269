"""The plan of somebody without the key: public fields compared, sealed parts not (DESIGN §4.1).

It shows what a change is about, to whoever may not know the rest. What it would cost, and with which coins, only the key
tells: there is no transaction in it, it is never carried out, and no plan that is has its id.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from reconciler.model.desired import DesiredRecord, DesiredState
from reconciler.model.json import JsonObject
from reconciler.model.observed import Snapshot
from reconciler.plan.cost import Cost
from reconciler.plan.guards import GuardName
from reconciler.plan.options import PlanOptions
from reconciler.plan.plan import Meta, Plan, make_plan

_JUDGED: Final = frozenset({GuardName.DELETES, GuardName.EVERYTHING, GuardName.PRICE, GuardName.GENESIS})
"""The guards that look at public parts only."""

_UNKNOWN: Final = Cost(transactions=0, bytes=0, fee_satoshis=0, locked_satoshis=0, storage_satoshis=0, running=0)


def make_public_plan(desired: DesiredState, snapshot: Snapshot, options: PlanOptions, *, meta: Meta) -> Plan:
    """Compare what anyone may read; `snapshot` has of sealed fields only `public_content`. Raises as `make_plan` does."""
    seen = replace(
        desired,
        producer=replace(desired.producer, sealed={}),
        records=tuple(map(_public_side, desired.records)),
        settings=(),
    )
    plan = make_plan(seen, snapshot, options, meta=meta)
    guards = tuple(guard for guard in plan.guards if guard.name in _JUDGED)
    return replace(plan, public_only=True, transactions=(), purchases=(), cost=_UNKNOWN, guards=guards)


def public_content(sha256: str, size: int, *, is_sold: bool) -> JsonObject:
    """What a record's document tells everybody of its content: the size, and where it is free the hash."""
    return {"content": {"size": size} if is_sold else {"sha256": sha256, "size": size}}


def _public_side(record: DesiredRecord) -> DesiredRecord:
    content = record.content
    sealed = public_content(content.sha256, content.size, is_sold=record.is_sold) if content else {}
    return replace(record, sealed=sealed, content=None, replication=None)
