"""Which stored copies of content change. Placement is in no record (PROTOCOL §3), so none of this touches the chain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.model.desired import Content, DesiredRecord, DesiredState
from reconciler.model.ids import Address, Kind, RecordId
from reconciler.model.json import Json
from reconciler.model.observed import ObservedReplica, Snapshot
from reconciler.plan.action import RISKS, Action
from reconciler.plan.change import Change, Drift, FieldDiff
from reconciler.plan.dates import day
from reconciler.plan.placement import place
from reconciler.plan.records import GONE, line

DAY: Final = 86_400
TERM: Final = 180 * DAY
"""For how long content is stored at a time, in seconds."""

RENEW_BEFORE: Final = min(7 * DAY, TERM // 3)
"""How long before its end a copy is renewed, in seconds (MANIFESTS §3)."""


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What becomes of the copies: the changes, which of them nobody asked for, and how many copies stay as they are."""

    changes: tuple[Change, ...]
    drift: tuple[Drift, ...]
    unchanged: int


def plan_copies(desired: DesiredState, snapshot: Snapshot, *, settled: Collection[RecordId]) -> CopyPlan:
    """Compare the copies of every dataset.

    `settled` are the records that did not change since the last apply: a copy that one of them lacks is drift.
    """
    found = _by_dataset(snapshot.replicas)
    changes: list[Change] = []
    drift: list[Drift] = []
    wanted_copies = 0
    for record in desired.records:
        if record.id.kind is not Kind.DATASET:
            continue
        copies = found.pop(record.id.name, {})
        work = _Dataset(desired, record, copies, snapshot.now, is_settled=record.id in settled)
        hosts = work.hosts()
        wanted_copies += len(hosts)
        for change in work.changes(hosts):
            changes.append(change)
            if work.is_settled and change.action is Action.CREATE:
                drift.append(Drift(change.object, change.why))
    changes += (_forget(copy, GONE, snapshot.now) for copies in found.values() for copy in copies.values())
    kept = wanted_copies - sum(change.action is not Action.DELETE for change in changes)
    return CopyPlan(tuple(changes), tuple(drift), kept)


def _by_dataset(replicas: Collection[ObservedReplica]) -> dict[str, dict[str, ObservedReplica]]:
    """By dataset and host. Of two on one host (an old content and a new one) the one that lasts longest counts."""
    found: defaultdict[str, dict[str, ObservedReplica]] = defaultdict(dict)
    for copy in sorted(replicas, key=lambda copy: (copy.expires, copy.content, copy.parts)):
        found[copy.dataset][copy.host] = copy
    return dict(found)


@dataclass(frozen=True, slots=True)
class _Dataset:
    """One dataset that the manifests want, with the copies that were found of it, by host."""

    desired: DesiredState
    record: DesiredRecord
    copies: Mapping[str, ObservedReplica]
    now: int
    is_settled: bool

    def hosts(self) -> tuple[str, ...]:
        """The hosts that shall keep it."""
        readable = {host for host, copy in self.copies.items() if copy.expires > self.now}
        rule = self.record.replication
        count = rule.replicas if rule and self.record.content else 0
        return tuple(host.name for host in place(self.desired.storage_hosts, readable, count))

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
                yield _forget(copy, why, self.now)

    def _at(self, host: str, content: Content) -> Change | None:
        copy = self.copies.get(host)
        asked = line(self.record.span)
        if copy is None:
            return self._keep(
                Action.CREATE, host, content, "the overlay has no such copy" if self.is_settled else asked
            )
        if copy.expires <= self.now:
            return self._keep(Action.CREATE, host, content, f"expired on {day(copy.expires)}")
        if copy.content != content.sha256:
            return self._keep(Action.REPLACE, host, content, asked)
        if copy.expires - self.now <= RENEW_BEFORE:
            return self._keep(Action.RENEW, host, content, f"expires on {day(copy.expires)}")
        return None

    def _keep(self, action: Action, host: str, content: Content, why: str) -> Change:
        copy = None if action is Action.CREATE else self.copies[host]
        replaced = copy is not None and copy.content != content.sha256
        return Change(
            object=Address.of_replica(self.record.id.name, host),
            action=action,
            why=why,
            source=str(self.record.span),
            risk=RISKS[action],
            before=None if copy is None else _found(copy),
            after={
                "dataset": self.record.id.name,
                "host": host,
                "content": content.sha256,
                "size": content.size,
                "path": content.path,
            },
            diff=(FieldDiff("content", copy.content, content.sha256),) if copy is not None and replaced else (),
        )


def _forget(copy: ObservedReplica, why: str, now: int) -> Change:
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
        "expires": copy.expires,
    }
