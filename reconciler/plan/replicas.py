"""Which stored copies of content change. Placement is in no record (PROTOCOL §3), so none of this touches the chain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from reconciler.model.desired import Content, DesiredRecord, DesiredState
from reconciler.model.ids import Address, Kind, RecordId
from reconciler.model.json import Json
from reconciler.model.observed import ObservedReplica, Snapshot
from reconciler.plan.action import RISKS, Action
from reconciler.plan.change import Change, Drift, FieldDiff
from reconciler.plan.dates import day
from reconciler.plan.moves import Moves
from reconciler.plan.occasion import ON_DEMAND, Occasions
from reconciler.plan.placement import place
from reconciler.plan.records import GONE, line, origin
from reconciler.plan.storage import DAY, TERM, Copy

RENEW_BEFORE: Final = min(7 * DAY, TERM // 3)
"""How long before its end a copy is renewed where no rule says otherwise, in seconds (MANIFESTS §3)."""


@dataclass(slots=True)
class CopyPlan:
    """What becomes of the copies: the changes, which of them nobody asked for, and all copies that are wanted."""

    changes: list[Change] = field(default_factory=list)
    drift: list[Drift] = field(default_factory=list)
    wanted: list[Copy] = field(default_factory=list)


def plan_copies(
    desired: DesiredState, snapshot: Snapshot, moves: Moves, occasions: Occasions, *, settled: Collection[RecordId]
) -> CopyPlan:
    """Compare the copies of every dataset.

    `settled` are the records that did not change since the last apply: a copy that one of them lacks is drift.
    """
    found = _by_dataset(snapshot.replicas)
    plan = CopyPlan()
    for record in desired.records:
        if record.id.kind is not Kind.DATASET:
            continue
        copies = {**_carried(record, moves, found), **found.pop(record.id.name, {})}
        work = _Dataset(desired, record, copies, snapshot.now, occasions, is_settled=record.id in settled)
        hosts = work.hosts()
        if record.content is not None:
            size = record.content.size
            addresses = (Address.of_replica(record.id.name, host) for host in hosts)
            sha256, is_sold = record.content.sha256, record.is_sold
            plan.wanted += (Copy(address, sha256, size, is_sold=is_sold) for address in addresses)
        for change in work.changes(hosts):
            plan.changes.append(change)
            if work.is_settled and change.action is Action.CREATE:
                plan.drift.append(Drift(change.object, change.why))
    for dataset, copies in found.items():
        moved = moves.new.get(RecordId(Kind.DATASET, dataset))
        why = GONE if moved is None else f"sold as {moved} from now on, under another key"
        plan.changes += (forget(copy, why, snapshot.now) for copy in copies.values())
    return plan


def next_renewal(desired: DesiredState, snapshot: Snapshot) -> int | None:
    """When, in unix seconds, time alone will change what is to be done to a copy; None where there is none.

    Until then a plan without changes stays one, whatever the clock says.
    """
    records = {record.id.name: record for record in desired.records if record.id.kind is Kind.DATASET}
    known = ((records.get(copy.dataset), copy) for copy in snapshot.replicas)
    return min((copy.expires - _window(record) for record, copy in known if record is not None), default=None)


def _window(record: DesiredRecord) -> int:
    """How long before its end a copy is renewed, in seconds."""
    rule = record.replication
    return RENEW_BEFORE if rule is None or rule.renew_before is None else rule.renew_before


def _by_dataset(replicas: Collection[ObservedReplica]) -> dict[str, dict[str, ObservedReplica]]:
    """By dataset and host. Of two on one host (an old content and a new one) the one that lasts longest counts."""
    found: defaultdict[str, dict[str, ObservedReplica]] = defaultdict(dict)
    for copy in sorted(replicas, key=lambda copy: (copy.expires, copy.content, copy.parts)):
        found[copy.dataset][copy.host] = copy
    return dict(found)


def _carried(
    record: DesiredRecord, moves: Moves, found: dict[str, dict[str, ObservedReplica]]
) -> dict[str, ObservedReplica]:
    """The copies that a moved dataset brings along. Those of sold content it cannot: another name is another key."""
    old = moves.old.get(record.id)
    copies = found.get(old.name, {}) if old else {}
    if old is None or record.is_sold or any(copy.is_sealed for copy in copies.values()):
        return {}
    return found.pop(old.name, {})


@dataclass(frozen=True, slots=True)
class _Dataset:
    """One dataset that the manifests want, with the copies that were found of it, by host."""

    desired: DesiredState
    record: DesiredRecord
    copies: Mapping[str, ObservedReplica]
    now: int
    occasions: Occasions
    is_settled: bool

    def hosts(self) -> tuple[str, ...]:
        """The hosts that shall keep it."""
        rule = self.record.replication
        if rule is None or self.record.content is None:
            return ()
        readable = {host for host, copy in self.copies.items() if copy.expires > self.now}
        return tuple(host.name for host in place(self.desired.storage_hosts, readable, rule))

    def changes(self, hosts: tuple[str, ...]) -> Iterator[Change]:
        """What has to be done for `hosts`, and only they, to keep the content."""
        content = self.record.content
        if content is not None:
            for host in hosts:
                change = self._at(host, content)
                if change is not None:
                    yield change
        named = {host.name for host in self.desired.storage_hosts}
        for host, copy in self.copies.items():
            if host not in hosts:
                surplus = "more copies than the manifests ask for"
                why = surplus if host in named else "the manifests no longer name this storage host"
                yield forget(copy, why, self.now)

    def _at(self, host: str, content: Content) -> Change | None:
        action, why = next(self._reasons(host, content), (None, ""))
        return None if action is None else self._keep(action, host, content, why)

    def _reasons(self, host: str, content: Content) -> Iterator[tuple[Action, str]]:
        """What is to be done to the copy on `host`, and why: the first counts; none where it may stay as it is."""
        copy = self.copies.get(host)
        address = Address.of_replica(self.record.id.name, host)
        drifted, asked = self.occasions.drifted.get(address), line(self.record.span)
        if copy is None:
            yield Action.CREATE, drifted or ("the overlay has no such copy" if self.is_settled else asked)
            return
        if copy.expires <= self.now:
            yield Action.CREATE, f"expired on {day(copy.expires)}"
        if copy.content != content.sha256:
            yield Action.REPLACE, asked
        if copy.is_sealed is not self.record.is_sold:
            yield Action.REPLACE, f"{asked}; {'sold' if self.record.is_sold else 'free'} from now on"
        if self.occasions.replaced.matches(address):
            yield Action.REPLACE, ON_DEMAND
        if copy.expires - self.now <= _window(self.record):
            yield Action.RENEW, f"expires on {day(copy.expires)}"
        if copy.dataset != self.record.id.name:
            yield Action.MOVE, asked
        if not copy.is_recorded:
            yield Action.ADOPT, "found on the storage host"
        if drifted:
            yield Action.ADOPT, drifted

    def _keep(self, action: Action, host: str, content: Content, why: str) -> Change:
        copy = self.copies.get(host)
        before = None if copy is None or action in {Action.CREATE, Action.ADOPT} else _found(copy)
        after: dict[str, Json] = {
            "dataset": self.record.id.name,
            "host": host,
            "content": content.sha256,
            "size": content.size,
            "sold": self.record.is_sold,
            "paths": list(content.paths),
            "min_replicas": self.record.replication.min_replicas if self.record.replication else 1,
            **origin(content),
        }
        is_moved = copy is not None and copy.dataset != self.record.id.name
        return Change(
            object=Address.of_replica(self.record.id.name, host),
            action=action,
            why=why,
            source=str(self.record.span),
            risk=RISKS[action],
            before=before,
            after=after,
            moved_from=Address.of_replica(copy.dataset, host) if copy is not None and is_moved else None,
            diff=tuple(
                FieldDiff(name, before[name], after[name])
                for name in ("content", "sold")
                if before is not None and before[name] != after[name]
            ),
        )


def forget(copy: ObservedReplica, why: str, now: int) -> Change:
    """Storage hosts cannot delete: forgetting a copy means that it is not renewed (PROTOCOL §6)."""
    until = f"readable until {day(copy.expires)}" if copy.expires > now else f"expired on {day(copy.expires)}"
    return Change(
        object=Address.of_replica(copy.dataset, copy.host),
        action=Action.DELETE,
        why=f"{why}; {until}",
        risk=RISKS[Action.DELETE],
        before=_found(copy),
    )


def _found(copy: ObservedReplica) -> dict[str, Json]:
    return {
        "dataset": copy.dataset,
        "host": copy.host,
        "content": copy.content,
        "size": copy.size,
        "sold": copy.is_sealed,
        "expires": copy.expires,
    }
