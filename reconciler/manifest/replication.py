"""Which replication holds for which dataset: inline, else named, else by selector, else the producer's default."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reconciler.manifest.documents import Document
from reconciler.manifest.kinds import Dataset, ReplicationRule
from reconciler.manifest.kinds.replication import Replicating
from reconciler.manifest.sources import DatasetSource
from reconciler.manifest.tree import Items, Path, find
from reconciler.model.desired import Replication, StorageHost
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.durations import seconds
from reconciler.model.json import Json


@dataclass(frozen=True, slots=True)
class Choice:
    """How one dataset's content is kept."""

    replication: Replication
    sealed: Json = None
    """The rule's name, or the inline rule; None where nobody said anything."""


class ReplicationRules:
    """The rules of a set of manifests; `default` is the name that the producer gives for all."""

    def __init__(self, documents: Iterable[Document], default: str | None) -> None:
        self._named: dict[str, Choice] = {}
        self._selecting: list[tuple[Document, ReplicationRule]] = []
        self._inline: dict[int, Choice] = {}
        self._default = default
        for document in documents:
            if isinstance(document.manifest, ReplicationRule):
                name, rule = document.name, document.manifest
                self._named[name] = Choice(replication_of(rule.spec), name)
                if rule.spec.selector is not None:
                    self._selecting.append((document, rule))

    def choose(self, source: DatasetSource, tags: Sequence[str], size: int) -> Choice | Diagnostic:
        """What holds for a dataset's content of `size` bytes; `tags` are those that it is published with."""
        own = source.dataset.spec.replication
        if isinstance(own, Replicating):
            return self._inlined(own)
        if own is not None:
            return self._named[own]
        labels = source.document.manifest.metadata.labels
        found = [
            document
            for document, rule in self._selecting
            if rule.spec.selector is not None and rule.spec.selector.matches(labels, tags, size)
        ]
        if len(found) > 1:
            return _ambiguous(source, found)
        name = found[0].name if found else self._default
        return self._named[name] if name is not None else Choice(Replication())

    def _inlined(self, rule: Replicating) -> Choice:
        if id(rule) not in self._inline:
            sealed = rule.model_dump(mode="json", by_alias=True, exclude_none=True)
            self._inline[id(rule)] = Choice(replication_of(rule), sealed)
        return self._inline[id(rule)]


def replication_of(rule: Replicating) -> Replication:
    """The rule as the planner takes it; scaling by demand is the gateway's."""
    return Replication(
        replicas=rule.replicas,
        spread=rule.spread.min if rule.spread else 1,
        regions=rule.regions or (),
        hosts=rule.hosts or (),
        min_replicas=rule.min_replicas,
        renew_before=None if rule.renew_before is None else seconds(rule.renew_before),
    )


def check_hosts(documents: Iterable[Document], hosts: Sequence[StorageHost]) -> Iterator[Diagnostic]:
    """Storage hosts that rules name and that do not exist."""
    known = [host.name for host in hosts]
    for document, rule, path in _rules(documents):
        for name in rule.hosts or ():
            if name not in known:
                yield _unknown_host(document, (*path, "hosts"), name, known)


def _rules(documents: Iterable[Document]) -> Iterator[tuple[Document, Replicating, Path]]:
    for document in documents:
        match document.manifest:
            case ReplicationRule(spec=rule):
                yield document, rule, ("spec",)
            case Dataset(spec=spec) if isinstance(spec.replication, Replicating):
                yield document, spec.replication, ("spec", "replication")


def _unknown_host(document: Document, path: Path, name: str, known: Sequence[str]) -> Diagnostic:
    written = find(document.root, path)
    index = written.index(name) if isinstance(written, Items) else 0
    expected = " | ".join(known) or "a host of spec.storageHosts"
    summary = f"there is no storage host '{name}'"
    return document.fault((*path, index), "dangling-reference", summary, found=name, expected=expected)


def _ambiguous(source: DatasetSource, found: Sequence[Document]) -> Diagnostic:
    first, second = found[:2]
    return source.document.fault(
        ("metadata", "name"),
        "ambiguous",
        f"two selectors match {source.id}: those of '{first.name}' and '{second.name}'",
        found=source.id.name,
        expected="one rule",
        hint=f"name one: replication: {first.name}",
    )
