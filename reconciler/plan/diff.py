"""The whole comparison of what is wanted with what is there: pure, and the same for any order of its inputs (I8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reconciler.model.desired import DesiredState
from reconciler.model.ids import Address
from reconciler.model.observed import Snapshot
from reconciler.plan.action import Action
from reconciler.plan.ads import ad_changes, by_address, delete_ad, lost_ads
from reconciler.plan.change import Change, Drift, Notice
from reconciler.plan.moves import NO_MOVES, Moves, find_moves
from reconciler.plan.notices import notices
from reconciler.plan.occasion import Occasions
from reconciler.plan.patterns import Patterns
from reconciler.plan.records import delete_record, is_missing_records, producer_change, record_changes, replace_root
from reconciler.plan.replicas import forget, plan_copies
from reconciler.plan.settings import delete_setting, live_settings, setting_changes
from reconciler.plan.storage import Copy


@dataclass(frozen=True, slots=True)
class Comparison:
    """All changes, drift and notices, sorted by address; what is wanted, changed or not; and what moves."""

    changes: tuple[Change, ...]
    drift: tuple[Drift, ...] = ()
    notices: tuple[Notice, ...] = ()
    wanted: frozenset[Address] = frozenset()
    copies: tuple[Copy, ...] = ()
    """The wanted ones."""
    moves: Moves = NO_MOVES
    left_out: frozenset[Address] = frozenset()
    """Objects that differ, but that the plan is not to touch."""

    @property
    def unchanged(self) -> int:
        """How many wanted objects are as they should be."""
        changed = {change.object for change in self.changes if change.action is not Action.DELETE}
        return len(self.wanted - changed)


def diff(desired: DesiredState, snapshot: Snapshot) -> tuple[Change, ...]:
    """The changes that turn `snapshot` into `desired`, sorted by address."""
    return compare(desired, snapshot).changes


def compare(
    desired: DesiredState, snapshot: Snapshot, replaces: Sequence[str] = (), *, rotates: bool = False
) -> Comparison:
    """Compare everything; objects that match `replaces` are made anew, and with `rotates` every token.

    Raises UsageError where a pattern matches nothing that can be replaced.
    """
    occasions = Occasions.of(snapshot.drifted, Patterns.of(replaces), rotates=rotates)
    moves = find_moves(desired, snapshot)
    root = producer_change(desired, snapshot, occasions)
    records = [*record_changes(desired, snapshot, moves, occasions), *([root] if root else [])]
    touched = {change.record for change in records if change.action is not Action.ADOPT}
    # With another Producer the storage hosts may be others; a copy that is missing then is asked for, not lost.
    is_settled = root is None or root.action is Action.ADOPT
    settled = {record.id for record in desired.records if record.id not in touched} if is_settled else set()
    copies = plan_copies(desired, snapshot, moves, occasions, settled=settled)
    ads = list(ad_changes(desired, snapshot, occasions))
    changes = [*records, *copies.changes, *ads, *setting_changes(desired, snapshot, occasions)]
    drift = {*_lost(records, snapshot), *copies.drift, *lost_ads(ads)}
    told = {Drift(address, detail) for address, detail in occasions.drifted.items()}
    drift = {item for item in drift if item.object not in occasions.drifted} | told
    wanted = frozenset({*_wanted(desired), *(copy.address for copy in copies.wanted)})
    occasions.check(wanted)
    return Comparison(
        changes=tuple(sorted(changes, key=_address)),
        drift=tuple(sorted(drift, key=_address)),
        notices=tuple(sorted(notices(desired.records, changes, moves, snapshot.now), key=_address)),
        wanted=wanted,
        copies=tuple(copies.wanted),
        moves=moves,
    )


def everything_goes(snapshot: Snapshot) -> Comparison:
    """The changes that leave nothing: every record, advertisement, setting and copy, and the root itself."""
    why = "everything is destroyed"
    roots = [snapshot.root.record] if snapshot.root else []
    records = [delete_record(found, why) for found in (*roots, *snapshot.records.values())]
    ads = [delete_ad(address, found, why) for address, found in by_address(snapshot.ads).items()]
    settings = [delete_setting(address, found, why) for address, found in live_settings(snapshot).items()]
    copies = {copy.address: copy for copy in sorted(snapshot.replicas, key=lambda copy: (copy.expires, copy.content))}
    changes = [*records, *ads, *settings, *(forget(copy, why, snapshot.now) for copy in copies.values())]
    told = notices((), changes, NO_MOVES, snapshot.now)
    return Comparison(changes=tuple(sorted(changes, key=_address)), notices=tuple(sorted(told, key=_address)))


def given_back(snapshot: Snapshot) -> Comparison:
    """The one change that gives a lock back: the root, which is pending, is made final as it was."""
    if snapshot.root is None:
        return Comparison(changes=())
    return Comparison(changes=(replace_root(snapshot.root.record, "an apply that does not come back left it pending"),))


def _wanted(desired: DesiredState) -> Iterator[Address]:
    for record in (desired.producer, *desired.records):
        yield Address.of_record(record.id)
    for setting in desired.settings:
        yield Address.of_setting(setting.kind, setting.name)
    for ad in desired.ads:
        yield Address.of_ad(ad.protocol, ad.name)


def _lost(records: Iterable[Change], snapshot: Snapshot) -> list[Drift]:
    """Creates that may be re-creates. The root commits to a count, not to names, so a new record may be among them."""
    if snapshot.root is None or not is_missing_records(snapshot):
        return []
    detail = f"the live root covers {snapshot.root.leaf_count} records, {len(snapshot.records)} were found"
    return [Drift(change.object, detail) for change in records if change.action is Action.CREATE]


def _address(item: Change | Drift | Notice) -> tuple[str, str]:
    return item.object.type, item.object.path
