"""What documents say about each other: one producer, no name twice, no reference to nothing or to itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile
from typing import Final

from reconciler.manifest.documents import Document, Heading
from reconciler.manifest.kinds import Advertisement, Dataset, PaymentRule, Producer, Stream
from reconciler.manifest.kinds.payment import PaymentRuleSpec
from reconciler.manifest.problems import did_you_mean
from reconciler.manifest.sources import DatasetSource
from reconciler.manifest.tree import Items, Path, find
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.source import SourceSpan
from reconciler.model.vocabulary import OURSELVES

_ONLY: Final = {"Producer": "exactly one", "ConsumerPolicy": "at most one"}
"""Kinds of which there are not two."""


def check_headings(headings: Iterable[Heading], *, is_complete: bool) -> Iterator[Diagnostic]:
    """Names that are given twice, and how many producers there are.

    In a set that could not be read completely none need be missing.
    """
    seen: dict[tuple[str, str], SourceSpan] = {}
    only: dict[str, Heading] = {}
    for heading in headings:
        key = (heading.kind, heading.name)
        if heading.kind in _ONLY:
            first = only.setdefault(heading.kind, heading)
            if first is not heading:
                yield _second(heading, first)
                continue
        if heading.name and key in seen:
            yield Diagnostic(
                code="duplicate-name",
                summary=f"there are two documents {heading.kind.lower()}/{heading.name}",
                span=heading.span,
                found=heading.name,
                hint=f"the other one is at {seen[key]}",
            )
        seen.setdefault(key, heading.span)
    if "Producer" not in only and is_complete:
        yield Diagnostic(
            code="no-producer", summary="there is no document of kind Producer", expected="exactly one Producer"
        )


def _second(heading: Heading, first: Heading) -> Diagnostic:
    return Diagnostic(
        code="second-producer" if heading.kind == "Producer" else "second-policy",
        summary=f"there is more than one {heading.kind}",
        span=heading.span,
        found=heading.name or None,
        expected=f"{_ONLY[heading.kind]} {heading.kind}",
        hint=f"the other one is at {first.span}",
    )


def check_references(
    documents: Sequence[Document], headings: Iterable[Heading], *, is_complete: bool
) -> Iterator[Diagnostic]:
    """Rules, payees and capabilities that are named and not there.

    In a set that could not be read completely everything that is named may be in what could not be read.
    """
    if not is_complete:
        return
    known = _Known.of(documents, headings)
    for document in documents:
        match document.manifest:
            case Producer():
                yield from _check_producer(document, document.manifest, known)
            case Advertisement():
                yield from _check_gateway(document, known)
            case Dataset() | Stream():
                yield from _check_good(document, document.manifest, known)
            case PaymentRule():
                yield from _check_payees(document, document.manifest.spec, ("spec",), known)


@dataclass(frozen=True, slots=True)
class _Known:
    """What documents can refer to. None: nobody can know, because the document that would say so is wrong."""

    producer: Producer | None
    rules: Mapping[str, frozenset[str]]
    """Names by kind, well-formed or not."""
    advertised: frozenset[str] | None

    @classmethod
    def of(cls, documents: Sequence[Document], headings: Iterable[Heading]) -> _Known:
        """From all documents of a set."""
        producer = next((each.manifest for each in documents if isinstance(each.manifest, Producer)), None)
        ads = [each.manifest for each in documents if isinstance(each.manifest, Advertisement)]
        names: dict[str, set[str]] = {"PaymentRule": set(), "ReplicationRule": set(), "Advertisement": set()}
        for heading in headings:
            names.setdefault(heading.kind, set()).add(heading.name)
        advertised = frozenset(ad.spec.capability for ad in ads) if len(ads) == len(names["Advertisement"]) else None
        return cls(producer, {kind: frozenset(each) for kind, each in names.items()}, advertised)


def _check_producer(document: Document, producer: Producer, known: _Known) -> Iterator[Diagnostic]:
    defaults = producer.spec.defaults
    if defaults is not None:
        for kind, field, name in (
            ("PaymentRule", "paymentRule", defaults.payment_rule),
            ("ReplicationRule", "replication", defaults.replication),
        ):
            yield from _check_rule(document, kind, name, ("spec", "defaults", field), known)
    listed = producer.spec.capabilities
    missing = sorted((known.advertised or frozenset()) - set(listed or ()))
    if listed is not None and missing:
        summary = f"the capability '{missing[0]}' is advertised, but is not among them"
        hint = "leave the field out: by default it is what is advertised"
        yield document.fault(("spec", "capabilities"), "conflict", summary, expected=", ".join(missing), hint=hint)


def _check_gateway(document: Document, known: _Known) -> Iterator[Diagnostic]:
    if known.producer is not None and known.producer.spec.gateway is None:
        summary = "an advertisement needs a gateway to send consumers to"
        where = ("spec", "capability")
        yield document.fault(where, "no-gateway", summary, expected="gateway: {url: ...} in the Producer's spec")


def _check_good(document: Document, good: Dataset | Stream, known: _Known) -> Iterator[Diagnostic]:
    capability = good.spec.capability
    if capability is not None and known.advertised is not None and capability not in known.advertised:
        advertised = sorted(known.advertised)
        yield document.fault(
            ("spec", "capability"),
            "dangling-reference",
            f"no Advertisement has the capability '{capability}'",
            found=capability,
            expected=" | ".join(advertised) or "an Advertisement that has it",
            hint=did_you_mean(capability, advertised),
        )
    rule = good.spec.payment_rule
    if isinstance(rule, PaymentRuleSpec):
        yield from _check_payees(document, rule, ("spec", "paymentRule"), known)
    else:
        yield from _check_rule(document, "PaymentRule", rule, ("spec", "paymentRule"), known)
    replication = good.spec.replication if isinstance(good, Dataset) else None
    if isinstance(replication, str):
        yield from _check_rule(document, "ReplicationRule", replication, ("spec", "replication"), known)


def _check_rule(document: Document, kind: str, name: str | None, where: Path, known: _Known) -> Iterator[Diagnostic]:
    if name is not None and name not in known.rules[kind]:
        names = sorted(known.rules[kind])
        hint = did_you_mean(name, names)
        expected = " | ".join(names) or f"a document of kind {kind}"
        summary = f"there is no {kind} '{name}'"
        yield document.fault(where, "dangling-reference", summary, found=name, expected=expected, hint=hint)


def _check_payees(document: Document, rule: PaymentRuleSpec, at: Path, known: _Known) -> Iterator[Diagnostic]:
    if known.producer is None:
        return
    payees = [OURSELVES, *sorted(known.producer.spec.payees or ())]
    for index, split in enumerate((rule.native and rule.native.splits) or ()):
        if split.to not in payees:
            yield document.fault(
                (*at, "native", "splits", index, "to"),
                "dangling-reference",
                f"there is no payee '{split.to}'",
                found=split.to,
                expected=" | ".join(payees),
                hint=did_you_mean(split.to, payees),
            )


def check_splits(documents: Iterable[Document], most: int) -> Iterator[Diagnostic]:
    """Payment rules that divide a payment into more shares than the gateway takes."""
    for document in documents:
        match document.manifest:
            case PaymentRule(spec=rule):
                at: Path = ("spec", "native", "splits")
            case Dataset(spec=spec) | Stream(spec=spec) if isinstance(spec.payment_rule, PaymentRuleSpec):
                rule, at = spec.payment_rule, ("spec", "paymentRule", "native", "splits")
            case _:
                continue
        shares = len((rule.native and rule.native.splits) or ())
        if shares > most:
            hint = "MAX_REVENUE_SPLITS sets the limit"
            summary = "a payment is divided into too many shares"
            yield document.fault(at, "too-many", summary, found=str(shares), expected=f"at most {most}", hint=hint)


def check_lineage(sources: Sequence[DatasetSource], headings: Iterable[Heading]) -> Iterator[Diagnostic]:
    """Parents that are not there, and datasets that descend from themselves.

    A heading whose document is wrong counts as being there: its own diagnostics are enough.
    """
    by_name = {source.id.name: source for source in sources}
    known = by_name.keys() | {heading.name for heading in headings if heading.kind == "Dataset"}
    for document in {id(source.document): source.document for source in sources}.values():
        for parent in _parents(document):
            if parent not in known:
                yield _dangling(document, parent, sorted(known))
    for circle in _circles({name: _parents(source.document) for name, source in by_name.items()}):
        yield by_name[circle[0]].document.fault(
            ("spec", "lineage"),
            "circular-reference",
            f"the dataset '{circle[0]}' descends from itself",
            found=" <- ".join([*circle, circle[0]]),
            hint="a dataset is made from what was there before it",
        )


def _parents(document: Document) -> tuple[str, ...]:
    """The parents that are datasets of these manifests."""
    lineage = document.manifest.spec.lineage if isinstance(document.manifest, Dataset) else None
    return tuple(parent for parent in lineage.parents if "@" not in parent) if lineage else ()


def _dangling(document: Document, parent: str, known: list[str]) -> Diagnostic:
    path: Path = ("spec", "lineage", "parents")
    written = find(document.root, path)
    return document.fault(
        (*path, written.index(parent) if isinstance(written, Items) else 0),
        "dangling-reference",
        f"there is no dataset '{parent}'",
        found=parent,
        expected="a dataset of these manifests, or identityKey/kind/name@hash",
        hint=did_you_mean(parent, known),
    )


def _circles(parents: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Each circle once, from its first name on. Iterative: a chain of parents may be long."""
    done: set[str] = set()
    for start in sorted(parents):
        trail: dict[str, None] = {}
        stack: list[tuple[str, bool]] = [(start, True)]
        while stack:
            name, entering = stack.pop()
            if not entering:
                del trail[name]
                done.add(name)
            elif name in trail:
                yield _from_first(list(dropwhile(name.__ne__, trail)))
            elif name not in done:
                trail[name] = None
                stack.append((name, False))
                stack.extend((parent, True) for parent in parents.get(name, ()))


def _from_first(circle: Sequence[str]) -> tuple[str, ...]:
    first = circle.index(min(circle))
    return (*circle[first:], *circle[:first])
