"""Restricting a comparison to some objects (MANIFESTS §3): they and what they refer to, and never a deletion of others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler.model.desired import DesiredRecord, DesiredState
from reconciler.model.errors import UsageError
from reconciler.model.ids import Address, AdProtocol, Kind, ObjectType, RecordId, SettingKind
from reconciler.model.json import Json
from reconciler.model.observed import Snapshot
from reconciler.plan.action import Action
from reconciler.plan.change import Change
from reconciler.plan.diff import Comparison
from reconciler.plan.options import PlanOptions
from reconciler.plan.patterns import Patterns

_NEW = frozenset({Action.CREATE, Action.MOVE})


def select(comparison: Comparison, desired: DesiredState, snapshot: Snapshot, options: PlanOptions) -> Comparison:
    """What `options` leave of the comparison. Raises UsageError for a pattern that matches no object."""
    targets, excludes = Patterns.of(options.targets), Patterns.of(options.excludes)
    if not (targets or excludes):
        return comparison
    aliases = _aliases(comparison)
    for option, patterns in (("--target", targets), ("--exclude", excludes)):
        for glob in patterns.unmatched(alias for each in aliases.values() for alias in each):
            raise UsageError(f"{option} {glob} matches no object", hint="`overlay plan` shows the addresses")
    named = {address for address, each in aliases.items() if any(map(targets.matches, each))}
    left_out = {address for address, each in aliases.items() if any(map(excludes.matches, each))}
    links = _Links.between(comparison, desired, snapshot)
    changed = {change.object for change in comparison.changes}
    chosen = links.reach(named, changed) if targets else set(aliases)
    chosen -= links.dependants(left_out, comparison.changes)
    copies_of_named = {copy for address in named for copy in links.copies.get(address, ())}
    kept = tuple(
        change
        for change in comparison.changes
        if change.object in chosen
        and (not targets or change.action is not Action.DELETE or change.object in named | copies_of_named)
    )
    touched = {change.object for change in kept}
    return replace(
        comparison,
        changes=kept,
        left_out=frozenset(changed - touched),
        drift=tuple(drift for drift in comparison.drift if drift.object in chosen),
        notices=tuple(notice for notice in comparison.notices if notice.object in touched),
        wanted=comparison.wanted & chosen,
    )


def _known(comparison: Comparison) -> set[Address]:
    return {*comparison.wanted, *(change.object for change in comparison.changes)}


def _aliases(comparison: Comparison) -> dict[Address, set[Address]]:
    """All addresses that each object answers to: a moved one to its old address too."""
    aliases = {address: {address} for address in _known(comparison)}
    for change in comparison.changes:
        if change.moved_from:
            aliases[change.object].add(change.moved_from)
    return aliases


@dataclass(frozen=True, slots=True)
class _Links:
    """What refers to what."""

    references: Mapping[Address, set[Address]]
    """Without these an object cannot be."""
    copies: Mapping[Address, set[Address]]
    """Of a dataset's content; they come with it, but it can be without some of them."""

    @classmethod
    def between(cls, comparison: Comparison, desired: DesiredState, snapshot: Snapshot) -> _Links:
        references: defaultdict[Address, set[Address]] = defaultdict(set)
        copies: defaultdict[Address, set[Address]] = defaultdict(set)
        known = _known(comparison)
        producer = Address.of_record(desired.producer.id)
        for record in desired.records:
            references[Address.of_record(record.id)] |= known.intersection(_references(record, desired))
        for address in known:
            if address.type is ObjectType.REPLICA:
                dataset = RecordId(Kind.DATASET, address.path.rpartition("@")[0])
                owner = Address.of_record(comparison.moves.new.get(dataset, dataset))
                copies[owner].add(address)
                references[address].add(owner)
            if address.type in {ObjectType.SHIP, ObjectType.SLAP} or snapshot.root is None:
                references[address].add(producer)  # its gateway is what is advertised; and genesis is its creation
        references[producer].clear()
        return cls(references, copies)

    def reach(self, named: set[Address], changed: set[Address]) -> set[Address]:
        """`named`, and everything that it refers to, directly or not.

        Copies come with a dataset that is named or changes; but not the others with one that is named alone.
        """
        reached: set[Address] = set()
        waiting = set(named)
        while waiting:
            address = waiting.pop()
            reached.add(address)
            copies = self.copies.get(address, set()) if address in named | changed else set()
            waiting |= (self.references.get(address, set()) | copies) - reached
        return reached

    def dependants(self, left_out: set[Address], changes: Iterable[Change]) -> set[Address]:
        """`left_out`, and everything that must be left out with it: what refers to something that is then not made."""
        out, missing = set(left_out), {change.object for change in changes if change.action in _NEW}
        while True:
            more = {
                address
                for address, references in self.references.items()
                if address not in out and references & out & (missing | self._owners(address))
            }
            if not more:
                return out
            out |= more

    def _owners(self, address: Address) -> set[Address]:
        """What it only changes with: a copy would have other content than its record, an ad another URL than the root."""
        is_owned = address.type in {ObjectType.REPLICA, ObjectType.SHIP, ObjectType.SLAP}
        return self.references[address] if is_owned else set()


def _references(record: DesiredRecord, desired: DesiredState) -> Iterator[Address]:
    for parent in record.parents:
        if isinstance(parent, RecordId):
            yield Address.of_record(parent)
    defaults = desired.producer.sealed.get("defaults")
    settings = ((SettingKind.PAYMENT_RULE, "paymentRule"), (SettingKind.REPLICATION_RULE, "replication"))
    for kind, field in settings:
        name = record.sealed.get(field) or (defaults.get(field) if isinstance(defaults, Mapping) else None)
        if isinstance(name, str):
            yield Address.of_setting(kind, name)
    capability: Json = record.public.get("capability")
    if isinstance(capability, str):
        yield from _of_capability(capability, desired)


def _of_capability(capability: str, desired: DesiredState) -> Iterator[Address]:
    """What advertises it: records, and names on the trackers (PROTOCOL §8)."""
    for other in desired.records:
        if other.id.kind is Kind.ADVERTISEMENT and other.public.get("capability") == capability:
            yield Address.of_record(other.id)
    name = capability.replace("-", "_")
    yield Address.of_ad(AdProtocol.SHIP, f"tm_data_{name}")
    yield Address.of_ad(AdProtocol.SLAP, f"ls_data_{name}")
