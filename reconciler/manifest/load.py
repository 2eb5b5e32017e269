"""Reading a set of manifests: everything that is wrong with it at once, and what of it is well-formed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from reconciler.manifest.documents import Document, Heading, read_documents
from reconciler.manifest.files import manifest_files, read
from reconciler.manifest.kinds import Producer
from reconciler.manifest.references import check_headings, check_lineage
from reconciler.manifest.sources import SourceFile, source_files
from reconciler.model.diagnostics import Diagnostic, has_errors


@dataclass(frozen=True)
class Manifests:
    """A set of manifests, read and expanded, but not yet joined with what its files contain."""

    folder: Path
    """The manifests' folder: absolute; paths in plans are relative to it."""
    documents: tuple[Document, ...]
    """Those that are well-formed, in the order of the files."""
    files: tuple[SourceFile, ...]
    """The datasets' records to be, sorted by name."""

    @cached_property
    def producer(self) -> Document | None:
        """The document that says who publishes; None in a set that is wrong."""
        return next((document for document in self.documents if isinstance(document.manifest, Producer)), None)


def load(paths: Sequence[Path]) -> tuple[Manifests, list[Diagnostic]]:
    """Read manifest files and folders of them.

    Looks at files and folders, contents of datasets excepted. Never raises for what a user can get wrong.
    """
    folder, files, diagnostics = manifest_files(paths)
    documents: list[Document] = []
    headings: list[Heading] = []
    is_complete = not has_errors(diagnostics)
    for file in files:
        data = read(file)
        if isinstance(data, Diagnostic):
            diagnostics.append(data)
            is_complete = False
            continue
        contents = read_documents(data, file.name, is_named=file.is_named)
        documents += contents.documents
        headings += contents.headings
        diagnostics += contents.diagnostics
        is_complete = is_complete and contents.is_complete
    sources, faults = source_files(documents, folder)
    diagnostics += faults
    diagnostics += check_headings(headings, is_complete=is_complete)
    diagnostics += check_lineage(sources, headings)
    return Manifests(folder, tuple(documents), sources), diagnostics
