"""Reading a set of manifests: everything that is wrong with it at once, and what of it is well-formed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from reconciler.manifest.documents import Document, Draft, check_draft, is_producer, read_drafts
from reconciler.manifest.files import manifest_files, read
from reconciler.manifest.kinds import Producer
from reconciler.manifest.limits import MAX_REVENUE_SPLITS
from reconciler.manifest.moves import check_moves
from reconciler.manifest.references import check_headings, check_lineage, check_references, check_splits
from reconciler.manifest.sources import DatasetSource, dataset_sources
from reconciler.manifest.variables import Variables
from reconciler.model.diagnostics import Diagnostic, has_errors
from reconciler.model.source import SourceSpan

MAX_SET_BYTES: Final = 128 * 1024 * 1024
_NAMING_A_PRODUCER: Final = (b"Producer", b"\\")
"""One of them is in a file that has a document of that kind: in a text with escapes, it may be spelt otherwise."""


@dataclass(frozen=True)
class Manifests:
    """A set of manifests, read and expanded, but not yet joined with what its files contain."""

    folder: Path
    """The manifests' folder: absolute; paths in plans are relative to it."""
    documents: tuple[Document, ...]
    """Those that are well-formed, in the order of the files."""
    sources: tuple[DatasetSource, ...]
    """The datasets' records to be, sorted by name."""
    variables: frozenset[str] | None = None
    """Names that are declared, or stand in a value; None where a part could not be read."""

    @cached_property
    def producer(self) -> Document | None:
        """The document that says who publishes; None in a set that is wrong."""
        return next((document for document in self.documents if isinstance(document.manifest, Producer)), None)


def load(
    paths: Sequence[Path],
    variables: Mapping[str, str] | None = None,
    *,
    max_revenue_splits: int = MAX_REVENUE_SPLITS,
) -> tuple[Manifests, list[Diagnostic]]:
    """Read manifest files and folders of them.

    `variables` are those given beside the manifests (`variables.given_variables`); they go before the declared ones.
    Looks at files and folders, contents of datasets excepted. Never raises for what a user can get wrong.
    """
    drafts = _read(paths)
    declaring = next((draft.root for draft in drafts.drafts if is_producer(draft)), None)
    known = Variables.of(declaring, variables or {})
    checked = [check_draft(draft, known) for draft in drafts.drafts]
    documents = tuple(each.document for each in checked if each.document is not None)
    headings = [each.heading for each in checked]
    diagnostics = [*drafts.diagnostics, *(fault for each in checked for fault in each.diagnostics)]
    sources, faults = dataset_sources(documents, drafts.folder)
    diagnostics += faults
    diagnostics += check_headings(headings, is_complete=drafts.is_complete)
    diagnostics += check_lineage(sources, headings)
    diagnostics += check_moves(documents, sources, headings)
    diagnostics += check_references(documents, headings, is_complete=drafts.is_complete)
    diagnostics += check_splits(documents, max_revenue_splits)
    met = frozenset(known.met) if drafts.is_complete else None
    return Manifests(drafts.folder, documents, sources, met), diagnostics


def find_producer(paths: Sequence[Path]) -> Producer | None:
    """Who publishes, by the same files, whatever is wrong with the rest of them: that is not looked at.

    None where no document says it as it should.
    """
    drafts = [draft for draft in _producer_drafts(paths) if is_producer(draft)]
    known = Variables.of(drafts[0].root if drafts else None, {})
    documents = (check_draft(draft, known).document for draft in drafts)
    manifests = (document.manifest for document in documents if document is not None)
    return next((manifest for manifest in manifests if isinstance(manifest, Producer)), None)


def _producer_drafts(paths: Sequence[Path]) -> Iterator[Draft]:
    """Those of the files that may have such a document, which is a small part of a large set."""
    _, files, _ = manifest_files(paths)
    for file in files:
        data = read(file)
        if isinstance(data, bytes) and any(word in data for word in _NAMING_A_PRODUCER):
            yield from read_drafts(data, file.name, is_named=file.is_named).drafts


@dataclass(slots=True)
class _Drafts:
    """All documents of a set, as they were written."""

    folder: Path
    drafts: list[Draft]
    diagnostics: list[Diagnostic]
    is_complete: bool


def _read(paths: Sequence[Path]) -> _Drafts:
    folder, files, diagnostics = manifest_files(paths)
    found = _Drafts(folder, [], diagnostics, is_complete=not has_errors(diagnostics))
    room = MAX_SET_BYTES
    for file in files:
        data = read(file)
        if data is None:
            continue
        room -= 0 if isinstance(data, Diagnostic) else len(data)
        if room < 0:
            data = _too_much(file.name)
        if isinstance(data, Diagnostic):
            diagnostics.append(data)
            found.is_complete = False
            if room < 0:
                break
            continue
        contents = read_drafts(data, file.name, is_named=file.is_named)
        found.drafts += contents.drafts
        diagnostics += contents.diagnostics
        found.is_complete = found.is_complete and contents.is_complete
    return found


def _too_much(name: str) -> Diagnostic:
    summary = f"the manifests together are larger than {MAX_SET_BYTES} bytes"
    hint = "name the folder that has the manifests, not one above it"
    return Diagnostic(code="too-large", summary=summary, span=SourceSpan(name), hint=hint)
