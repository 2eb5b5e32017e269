"""The plan: inert, complete, and the only thing of planning that apply reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Self

from reconciler.model.amounts import FeeRate
from reconciler.model.desired import DesiredState, StorageHost
from reconciler.model.ids import Address, Digest, IdentityKey, Network, ObjectType, Outpoint, RecordId
from reconciler.model.json import JsonObject
from reconciler.model.observed import ListedAd, ObservedRoot, Reading, Snapshot
from reconciler.plan.action import Action
from reconciler.plan.change import Change, Drift, Notice
from reconciler.plan.cost import Cost, cost_of, gross
from reconciler.plan.diff import Comparison, compare, everything_goes, given_back
from reconciler.plan.fields import plain_object
from reconciler.plan.guards import Case, Guard, judge
from reconciler.plan.layout import Layout, lay_out
from reconciler.plan.new_root import NewRoot, new_root
from reconciler.plan.notices import left_behind
from reconciler.plan.options import REPLACE_IDENTITY, DeleteLimit, PlanOptions
from reconciler.plan.selection import select
from reconciler.plan.storage import Copy, Purchase, purchases_of
from reconciler.plan.tokens import Wish
from reconciler.plan.transactions import PAYING, TxLayout, TxRole

__all__ = [
    "FORMAT_VERSION",
    "DeleteLimit",
    "Meta",
    "Plan",
    "PlanOptions",
    "Summary",
    "make_destroy_plan",
    "make_plan",
    "make_unlock_plan",
]

FORMAT_VERSION: Final = "2.2"


STORED: Final = frozenset({Action.CREATE, Action.REPLACE, Action.RENEW})
"""What is done to copies that storage hosts are paid for."""


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
    dirty: bool = False
    """Whether the manifests' folder differs from the commit."""
    folder: str | None = None
    """The manifests' folder, relative to that of the file that the plan is kept in; None where it is in no file."""
    readings: tuple[Reading, ...] = ()
    quoted_at: int | None = None
    """When the fee rate and storage prices were quoted (unix seconds)."""
    probed_at: int | None = None
    """When the storage hosts were last asked for the copies (unix seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """The plan rotates the identity key: it spends what `Plan.identity` has, and makes all of it anew for `to` (PROTOCOL §10)."""

    to: IdentityKey
    transition: int
    """Seconds that what the old key signed stays valid, from the apply on."""
    key_file: str
    """Where the new key is, relative to OVERLAY_HOME."""
    key_env: str | None
    """The variable of the environment that holds it instead."""


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
    key_env: str | None
    """The variable of the environment that holds the identity key, where the manifest names one instead of a file."""
    rotation: HandOver | None
    root: Outpoint | None
    """The live root, which must still be the live one at apply; None at genesis."""
    previous_generation: int | None
    generation: int
    """The one that will be live afterwards."""
    fee_rate: FeeRate
    settings: Mapping[str, JsonObject]
    """All settings, by `kind/name`, which the new root's sealed document will carry, changed or not."""
    ads: tuple[ListedAd, ...]
    """All advertisements that the new root will list, sorted."""
    transactions: tuple[TxLayout, ...]
    """Everything that apply signs, in order: splitter?, payments of storage, those of the records, ads? (plan/layout.py); empty
    where nothing is signed."""
    purchases: tuple[Purchase, ...]
    """What storage hosts are paid for, in the order of the payments."""
    changes: tuple[Change, ...]
    """Sorted by address."""
    renewals: tuple[Address, ...]
    """What is in its renewal window."""
    drift: tuple[Drift, ...]
    warnings: tuple[Notice, ...]
    targets: tuple[str, ...]
    """The patterns of addresses that the plan is restricted to, with what they refer to; empty for all."""
    excludes: tuple[str, ...]
    """The patterns of addresses that it leaves out."""
    destroys: bool
    """Whether everything goes, the root too; then no generation follows."""
    public_only: bool = False
    """Whether it was made without the key: sealed parts are not compared, and nothing can be applied (plan/public.py)."""
    cost: Cost
    guards: tuple[Guard, ...]
    overrides: tuple[str, ...]
    summary: Summary
    meta: Meta
    digests: dict[str, Digest] = field(init=False, default_factory=dict, compare=False, repr=False)
    """Its id, once somebody has asked for it (plan/document.py): that hashes all of the plan. No part of what the plan says."""

    @property
    def is_empty(self) -> bool:
        """Whether the overlay matches the manifests."""
        return not self.changes

    @property
    def gross(self) -> int:
        """Satoshis that it costs, with nothing set off against them."""
        return gross(self.cost, self.changes)

    @property
    def partial(self) -> bool:
        """Whether it was restricted, so that what it does not name may be other than the manifests want."""
        return bool(self.targets or self.excludes)

    def transaction(self, role: TxRole) -> TxLayout | None:
        """The transaction of this role; None where the plan needs none."""
        return next((transaction for transaction in self.transactions if transaction.role is role), None)

    @property
    def spends(self) -> tuple[Outpoint, ...]:
        """Every coin and token there is now that is spent, in the order of transactions and inputs."""
        return tuple(
            spend for transaction in self.transactions for spend in transaction.spends if isinstance(spend, Outpoint)
        )

    @property
    def pays(self) -> tuple[TxLayout, ...]:
        """What leaves before anything is published: the payments of storage, and what funds them."""
        return tuple(each for each in self.transactions if self.purchases and each.role in PAYING)

    @property
    def publishes(self) -> tuple[TxLayout, ...]:
        """The transactions that are left then; none where only copies change."""
        paid = len(self.pays)
        return self.transactions[paid:]

    def count(self, role: TxRole) -> int:
        """How many transactions of this role there are."""
        return sum(transaction.role is role for transaction in self.transactions)

    @property
    def outputs(self) -> tuple[RecordId, ...]:
        """The records whose tokens are made and stay, in the order of transactions and outputs."""
        making = (each for each in self.transactions if each.role in {TxRole.BATCH, TxRole.ROOT})
        return tuple(record for transaction in making for record in transaction.records)

    @property
    def swept(self) -> tuple[Outpoint, ...]:
        """The tokens that the new root covers no longer, and that are spent only after it."""
        sweeps = (each for each in self.transactions if each.role is TxRole.SWEEP)
        return tuple(spend for sweep in sweeps for spend in sweep.spends if isinstance(spend, Outpoint))

    @property
    def replaces_identity(self) -> bool:
        """Whether another identity's records may be here already: --replace-identity was given."""
        return REPLACE_IDENTITY in self.overrides

    @property
    def refused(self) -> tuple[Guard, ...]:
        """The guards that forbid applying this."""
        return tuple(guard for guard in self.guards if guard.refused)


def make_plan(desired: DesiredState, snapshot: Snapshot, options: PlanOptions, *, meta: Meta) -> Plan:
    """Compare, restrict, lay out, add up, judge. Pure: the same world gives the same plan and id, in whatever order.

    Raises UsageError for a pattern of addresses that is none, or that matches nothing.
    """
    rotates = desired.rotation is not None and options.successor is not None
    comparison = compare(desired, snapshot, options.replaces, rotates=rotates)
    comparison = select(comparison, desired, snapshot, options)
    keeps_producer = Address.of_record(desired.producer.id) in comparison.left_out
    root = new_root(desired, snapshot, comparison.changes, keeps_producer=keeps_producer)
    return _plan(desired, snapshot, options, comparison, root, meta=meta)


def make_destroy_plan(desired: DesiredState, snapshot: Snapshot, options: PlanOptions, *, meta: Meta) -> Plan:
    """The plan that leaves nothing, not even a root. Of `desired` only the producer's name, network and limits count."""
    comparison = everything_goes(snapshot)
    root = replace(new_root(desired, snapshot, comparison.changes, keeps_producer=True), settings={}, ads=())
    options = replace(options, targets=(), excludes=(), replaces=(), successor=None)
    return _plan(desired, snapshot, options, comparison, root, meta=meta, destroys=True)


def make_unlock_plan(desired: DesiredState, snapshot: Snapshot, options: PlanOptions, *, meta: Meta) -> Plan:
    """The plan that spends a pending root back, with every output of its lock and every token of its batches that is out.

    What is live stays as it is. Of `desired` only the producer's name, network and limits count (PROTOCOL §4).
    """
    root = new_root(desired, snapshot, (), keeps_producer=True)
    options = replace(options, targets=(), excludes=(), replaces=(), successor=None)
    return _plan(desired, snapshot, options, given_back(snapshot), root, meta=meta)


def _plan(
    desired: DesiredState,
    snapshot: Snapshot,
    options: PlanOptions,
    comparison: Comparison,
    root: NewRoot,
    *,
    meta: Meta,
    destroys: bool = False,
) -> Plan:
    changes, live, rotation = comparison.changes, snapshot.root, _rotation(desired, options)
    wish = Wish(root=root.producer, changes=changes, ads=root.ads, destroys=destroys, rotates=rotation is not None)
    layout, purchases, cost = _laid_out(wish, comparison, snapshot, options)
    case = Case(
        desired=desired,
        snapshot=snapshot,
        options=options,
        changes=changes,
        copies=comparison.copies,
        left_out=comparison.left_out,
        layout=layout,
        cost=cost,
        destroys=destroys,
        rotates=rotation is not None,
    )
    return Plan(
        manifest_digest=desired.manifest_digest,
        network=desired.network,
        identity=snapshot.identity,
        source=snapshot.source,
        producer_name=root.producer.name,
        producer_public=plain_object(root.public),
        producer_sealed=plain_object(root.sealed),
        gateway_url=root.gateway_url,
        gateway_key=root.gateway_key,
        storage_hosts=_hosts_used(desired, changes),
        key_file=desired.key_file,
        key_env=desired.key_env,
        rotation=rotation,
        root=live.record.outpoint if live else None,
        previous_generation=live.generation if live else None,
        generation=_generation(live, layout, destroys=destroys),
        fee_rate=snapshot.fee_rate,
        settings={path: plain_object(value) for path, value in root.settings.items()},
        ads=root.ads,
        transactions=layout.transactions,
        purchases=purchases,
        changes=changes,
        renewals=tuple(change.object for change in changes if change.action is Action.RENEW),
        drift=comparison.drift,
        warnings=(*comparison.notices, *_left_behind(desired, snapshot, options, changes)),
        targets=options.targets,
        excludes=options.excludes,
        destroys=destroys,
        cost=cost,
        guards=judge(case),
        overrides=options.overrides,
        summary=Summary.of(changes, comparison.unchanged),
        meta=meta,
    )


def _laid_out(
    wish: Wish, comparison: Comparison, snapshot: Snapshot, options: PlanOptions
) -> tuple[Layout, tuple[Purchase, ...], Cost]:
    """The transactions, what of storage they pay, and what all of it costs."""
    purchases = () if wish.rotates else _purchases(comparison, snapshot)  # a key that goes leaves no coin behind
    layout = lay_out(wish, snapshot, purchases=purchases, batch=options.batch)
    return layout, purchases, cost_of(layout, purchases, purchases_of(comparison.copies, snapshot.quotes))


def _generation(live: ObservedRoot | None, layout: Layout, *, destroys: bool) -> int:
    """That of the root which is live afterwards, or of the last one that was."""
    makes_root = not destroys and any(each.role is TxRole.ROOT for each in layout.transactions)
    return (live.generation if live else 0) + makes_root


def _purchases(comparison: Comparison, snapshot: Snapshot) -> tuple[Purchase, ...]:
    """What the copies that are made, replaced or renewed cost."""
    stored = {change.object for change in comparison.changes if change.action in STORED}
    copies: list[Copy] = [copy for copy in comparison.copies if copy.address in stored]
    return purchases_of(copies, snapshot.quotes, paid=snapshot.paid)


def _rotation(desired: DesiredState, options: PlanOptions) -> HandOver | None:
    wanted = desired.rotation
    if wanted is None or options.successor is None:
        return None
    return HandOver(
        to=options.successor, transition=wanted.transition, key_file=wanted.key_file, key_env=wanted.key_env
    )


def _left_behind(
    desired: DesiredState, snapshot: Snapshot, options: PlanOptions, changes: Sequence[Change]
) -> Iterator[Notice]:
    if changes:
        yield from left_behind(desired.producer.id, snapshot.identity, options.bound_identity)


def _hosts_used(desired: DesiredState, changes: Sequence[Change]) -> tuple[StorageHost, ...]:
    used = {change.object.path.rpartition("@")[2] for change in changes if change.object.type is ObjectType.REPLICA}
    return tuple(sorted((host for host in desired.storage_hosts if host.name in used), key=lambda host: host.name))
