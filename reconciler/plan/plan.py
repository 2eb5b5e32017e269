"""The plan: inert, complete, and the only thing of planning that apply reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from reconciler.model.amounts import FeeRate
from reconciler.model.desired import DesiredState, StorageHost
from reconciler.model.ids import Address, Digest, IdentityKey, Network, ObjectType, Outpoint, RecordId
from reconciler.model.json import JsonObject
from reconciler.model.observed import Reading, Snapshot
from reconciler.plan.action import Action
from reconciler.plan.change import Change, Drift
from reconciler.plan.cost import Cost, cost_of, lay_out
from reconciler.plan.diff import compare
from reconciler.plan.fields import plain_object
from reconciler.plan.guards import Case, Guard, judge
from reconciler.plan.options import DeleteLimit, PlanOptions

__all__ = ["FORMAT_VERSION", "DeleteLimit", "Meta", "Plan", "PlanOptions", "Summary", "make_plan"]

FORMAT_VERSION: Final = "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How many objects each action is done to, and how many stay as they are. The root's bookkeeping is not counted."""

    create: int = 0
    update: int = 0
    replace: int = 0
    renew: int = 0
    move: int = 0
    adopt: int = 0
    delete: int = 0
    unchanged: int = 0

    @classmethod
    def of(cls, changes: Sequence[Change], unchanged: int) -> Self:
        """Count `changes` by action."""
        counts = Counter(str(change.action) for change in changes)
        return cls(**counts, unchanged=unchanged)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """When, by what and against whose word a plan was made: shown, but no part of what is approved, nor of the id."""

    tool_version: str
    commit: str | None = None
    """Git commit of the manifests; None outside of a repository."""
    readings: tuple[Reading, ...] = ()
    quoted_at: int | None = None
    """When the fee rate and storage prices were quoted (unix seconds)."""
    probed_at: int | None = None
    """When the storage hosts were last asked for the copies (unix seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an apply will do, all of it (I4), and what it was computed against.

    Everything but `meta` goes into the id.
    """

    format_version: str = FORMAT_VERSION
    manifest_digest: Digest
    network: Network
    identity: IdentityKey
    source: str
    """The source of truth's id, which the new root's sealed document will carry."""
    producer_name: str
    producer_public: JsonObject
    producer_sealed: JsonObject
    """The producer's own fields: every new root says them again, changed or not."""
    gateway_url: str | None
    gateway_key: IdentityKey | None
    """The manifest's, else the live root's; None at genesis, when apply derives it (PROTOCOL §3)."""
    storage_hosts: tuple[StorageHost, ...]
    """Those of the manifests whose copies change, sorted by name."""
    key_file: str
    root: Outpoint | None
    """The live root, which must still be the live one at apply; None at genesis."""
    previous_generation: int | None
    generation: int
    """The one that will be live afterwards."""
    fee_rate: FeeRate
    anchor: Outpoint | None
    """What `i` of every new token names; None where nothing is signed, or there is no coin to sign with."""
    spends: tuple[Outpoint, ...]
    """All inputs, in order (plan/cost.py has the layout)."""
    outputs: tuple[RecordId, ...]
    """The records whose tokens are made, in output order, the producer's first; the change output follows."""
    change_satoshis: int
    changes: tuple[Change, ...]
    """Sorted by address."""
    renewals: tuple[Address, ...]
    """What is in its renewal window."""
    drift: tuple[Drift, ...]
    cost: Cost
    guards: tuple[Guard, ...]
    overrides: tuple[str, ...]
    summary: Summary
    meta: Meta

    @property
    def is_empty(self) -> bool:
        """Whether the overlay matches the manifests."""
        return not self.changes

    @property
    def refused(self) -> tuple[Guard, ...]:
        """The guards that forbid applying this."""
        return tuple(guard for guard in self.guards if guard.refused)


def make_plan(desired: DesiredState, snapshot: Snapshot, options: PlanOptions, *, meta: Meta) -> Plan:
    """Compare, lay out, add up, judge. Pure: the same world gives the same plan and id, whatever the order of its parts."""
    comparison = compare(desired, snapshot)
    changes, root = comparison.changes, snapshot.root
    layout = lay_out(desired.producer.id, changes, snapshot)
    cost = cost_of(layout)
    previous = root.generation if root else None
    case = Case(desired=desired, snapshot=snapshot, options=options, changes=changes, layout=layout, cost=cost)
    return Plan(
        manifest_digest=desired.manifest_digest,
        network=desired.network,
        identity=snapshot.identity,
        source=snapshot.source,
        producer_name=desired.producer.id.name,
        producer_public=plain_object(desired.producer.public),
        producer_sealed=plain_object(desired.producer.sealed),
        gateway_url=desired.gateway_url,
        gateway_key=desired.gateway_key or (root.gateway_key if root else None),
        storage_hosts=_hosts_used(desired, changes),
        key_file=desired.key_file,
        root=root.record.outpoint if root else None,
        previous_generation=previous,
        generation=(previous or 0) + (1 if layout else 0),
        fee_rate=snapshot.fee_rate,
        anchor=layout.anchor if layout else None,
        spends=layout.spends if layout else (),
        outputs=layout.outputs if layout else (),
        change_satoshis=layout.change if layout else 0,
        changes=changes,
        renewals=tuple(change.object for change in changes if change.action is Action.RENEW),
        drift=comparison.drift,
        cost=cost,
        guards=judge(case),
        overrides=options.overrides,
        summary=Summary.of(changes, comparison.unchanged),
        meta=meta,
    )


def _hosts_used(desired: DesiredState, changes: Sequence[Change]) -> tuple[StorageHost, ...]:
    used = {change.object.path.rpartition("@")[2] for change in changes if change.object.type is ObjectType.REPLICA}
    return tuple(sorted((host for host in desired.storage_hosts if host.name in used), key=lambda host: host.name))
