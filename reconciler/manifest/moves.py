"""Records that continue others under another name: `metadata.renamedFrom` (MANIFESTS §3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.manifest.documents import Document, Heading
from reconciler.manifest.kinds import Advertisement, Stream
from reconciler.manifest.sources import DatasetSource
from reconciler.manifest.tree import Path
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.ids import RecordId, name_fault

_WHERE: Path = ("metadata", "renamedFrom")


def renamed_from(source: DatasetSource) -> RecordId | None:
    """The record that a dataset's continues; each of a pattern's continues that of the same file."""
    old = source.document.manifest.metadata.renamed_from
    if old is None:
        return None
    name = old + source.id.name.removeprefix(source.document.name)
    return None if name_fault(name) else RecordId(source.id.kind, name)


def moved_from(document: Document) -> RecordId | None:
    """The record that an advertisement or a stream continues."""
    manifest = document.manifest
    old = manifest.metadata.renamed_from
    return RecordId(manifest.RECORD, old) if isinstance(manifest, Advertisement | Stream) and old else None


def check_moves(
    documents: Iterable[Document], sources: Sequence[DatasetSource], headings: Iterable[Heading]
) -> Iterator[Diagnostic]:
    """Moves of what is still there, two moves of one record, and circles."""
    moves: dict[RecordId, tuple[RecordId, Document]] = {}
    for document in documents:
        old = moved_from(document)
        if old is not None and isinstance(document.manifest, Advertisement | Stream):
            moves[RecordId(document.manifest.RECORD, document.name)] = (old, document)
    present = {str(source.id) for source in sources} | {
        f"{heading.kind.lower()}/{heading.name}" for heading in headings
    }
    for source in sources:
        old = renamed_from(source)
        if old is not None:
            moves[source.id] = (old, source.document)
    return _check(moves, present)


def _check(moves: Mapping[RecordId, tuple[RecordId, Document]], present: set[str]) -> Iterator[Diagnostic]:
    sources: dict[RecordId, RecordId] = {}
    told: set[int] = set()
    for new, (old, document) in sorted(moves.items(), key=lambda move: move[0]):
        if id(document) in told:
            continue
        circle = _circle(new, moves)
        if circle:
            # Told once, and once for a pattern's thousand files.
            told.update(id(moves[step][1]) for step in circle)
            yield document.fault(
                _WHERE,
                "circular-reference",
                f"'{new.name}' and '{old.name}' are renamed in a circle" if new != old else "this is no other name",
                found=" <- ".join(step.name for step in circle),
                hint="take two steps: first to a name that is free",
            )
        elif str(old) in present:
            told.add(id(document))
            hint = "leave renamedFrom out, or remove the other one"
            yield document.fault(
                _WHERE, "still-there", f"what shall be renamed is still there: {old}", found=old.name, hint=hint
            )
        elif old in sources:
            told.add(id(document))
            hint = f"the other one is {sources[old]}"
            yield document.fault(_WHERE, "conflict", f"two records are renamed from {old}", found=old.name, hint=hint)
        sources.setdefault(old, new)


def _circle(start: RecordId, moves: Mapping[RecordId, tuple[RecordId, Document]]) -> Sequence[RecordId]:
    """The way from a record back to itself, if its moves lead there."""
    way = [start]
    while way[-1] in moves and len(way) <= len(moves):
        way.append(moves[way[-1]][0])
        if way[-1] == start:
            return way
    return ()
