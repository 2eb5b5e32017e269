"""What documents say about each other: one producer, no name twice, no reference to nothing or to itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import dropwhile

from reconciler.manifest.documents import Document, Heading
from reconciler.manifest.kinds import Dataset
from reconciler.manifest.problems import did_you_mean
from reconciler.manifest.sources import SourceFile
from reconciler.manifest.tree import Items, Path, find
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.source import SourceSpan


def check_headings(headings: Iterable[Heading], *, is_complete: bool) -> Iterator[Diagnostic]:
    """Names that are given twice, and how many producers there are.

    In a set that could not be read completely none need be missing.
    """
    seen: dict[tuple[str, str], SourceSpan] = {}
    producer: Heading | None = None
    for heading in headings:
        key = (heading.kind, heading.name)
        if heading.kind == "Producer":
            if producer is not None:
                yield _second_producer(heading, producer)
                continue
            producer = heading
        if heading.name and key in seen:
            yield Diagnostic(
                code="duplicate-name",
                summary=f"there are two documents {heading.kind.lower()}/{heading.name}",
                span=heading.span,
                found=heading.name,
                hint=f"the other one is at {seen[key]}",
            )
        seen.setdefault(key, heading.span)
    if producer is None and is_complete:
        yield Diagnostic(
            code="no-producer", summary="there is no document of kind Producer", expected="exactly one Producer"
        )


def _second_producer(heading: Heading, first: Heading) -> Diagnostic:
    return Diagnostic(
        code="second-producer",
        summary="there is more than one Producer",
        span=heading.span,
        found=heading.name or None,
        expected="exactly one Producer",
        hint=f"the other one is at {first.span}",
    )


def check_lineage(files: Sequence[SourceFile], headings: Iterable[Heading]) -> Iterator[Diagnostic]:
    """Parents that are not there, and datasets that descend from themselves.

    A heading whose document is wrong counts as being there: its own diagnostics are enough.
    """
    by_name = {file.id.name: file for file in files}
    known = by_name.keys() | {heading.name for heading in headings if heading.kind == "Dataset"}
    for document in {id(file.document): file.document for file in files}.values():
        for parent in _parents(document):
            if parent not in known:
                yield _dangling(document, parent, sorted(known))
    for circle in _circles({name: _parents(file.document) for name, file in by_name.items()}):
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
