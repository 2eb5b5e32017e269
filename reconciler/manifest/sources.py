"""Which records a dataset's source makes: one for a path, one for each file that a glob matches."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reconciler.manifest.documents import Document
from reconciler.manifest.files import Boundary
from reconciler.manifest.kinds import Dataset
from reconciler.manifest.patterns import matches, split_pattern
from reconciler.manifest.tree import Path as TreePath
from reconciler.model.diagnostics import Diagnostic
from reconciler.model.ids import Kind, RecordId, name_fault

_NOT_IN_NAMES = re.compile(r"[^a-z0-9._/-]")
_PATH: TreePath = ("spec", "source", "path")
_GLOB: TreePath = ("spec", "source", "glob")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A record to be, and the file that has its bytes."""

    document: Document
    id: RecordId
    path: Path | None
    """Absolute; it need not exist. None: the bytes are elsewhere, or stored already."""
    relative: str
    """To the set's folder, with forward slashes; for bytes elsewhere their URL."""

    @property
    def dataset(self) -> Dataset:
        """The document's model."""
        manifest = self.document.manifest
        if not isinstance(manifest, Dataset):
            raise TypeError("only datasets have sources")
        return manifest

    @property
    def is_match(self) -> bool:
        """Whether a pattern found it."""
        return self.dataset.spec.source.glob is not None

    @property
    def is_pinned(self) -> bool:
        """Whether the manifest says which bytes these are."""
        return self.dataset.spec.source.sha256 is not None


def source_files(documents: Iterable[Document], folder: Path) -> tuple[tuple[SourceFile, ...], list[Diagnostic]]:
    """The records of all datasets, sorted by name.

    Two of the same name are an error; that of two documents' own names is found by `references`.
    """
    search = _Search(folder)
    files: dict[str, SourceFile] = {}
    for document in documents:
        if not isinstance(document.manifest, Dataset):
            continue
        for file in search.files_of(document, document.manifest):
            first = files.setdefault(file.id.name, file)
            if first is not file and (file.is_match or first.is_match):
                search.diagnostics.append(_collision(file, first))
    return tuple(files[name] for name in sorted(files)), search.diagnostics


class _Search:
    """Looks for the files of datasets in one folder, and collects what is wrong with them."""

    def __init__(self, folder: Path) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._folder = folder
        self._boundary = Boundary(folder)

    def files_of(self, document: Document, dataset: Dataset) -> list[SourceFile]:
        """One file for a path, present or not; for a glob those that it matches."""
        home = str(self._folder / PurePosixPath(document.file).parent)
        source = dataset.spec.source
        if source.glob is not None:
            return self._matches(document, source.glob, home)
        elsewhere = source.url or source.uhrp
        if elsewhere is not None:
            return [SourceFile(document, RecordId(Kind.DATASET, document.name), None, elsewhere)]
        path = Path(os.path.normpath(os.path.join(home, source.path or "")))  # noqa: PTH118  # twice as fast, 10,000 times
        if not self._boundary.holds(path):
            self.diagnostics.append(_outside(document, _PATH, source.path))
            return []
        return [SourceFile(document, RecordId(Kind.DATASET, document.name), path, self._relative(path))]

    def _matches(self, document: Document, pattern: str, home: str) -> list[SourceFile]:
        start_text, segments = split_pattern(pattern)
        start = Path(os.path.normpath(Path(home, start_text)))
        if ".." in segments or not self._boundary.holds(start / "*"):
            self.diagnostics.append(_outside(document, _GLOB, pattern))
            return []
        try:
            found = sorted(matches(start, segments, self._boundary)) if start.is_dir() else []
        except OSError as error:
            summary = f"a folder cannot be read: {os.strerror(error.errno or 0).lower()}"
            self.diagnostics.append(document.fault(_GLOB, "unreadable", summary, found=pattern))
            return []
        if not found and not _may_be_empty(document):
            hint = "set allowEmpty: true if that is as it should be"
            summary = "the pattern matches no file"
            self.diagnostics.append(document.fault(_GLOB, "no-match", summary, found=pattern, hint=hint))
        files = (self._match(document, start / relative, home) for relative in found)
        return [file for file in files if file is not None]

    def _match(self, document: Document, path: Path, home: str) -> SourceFile | None:
        relative = self._relative(path)
        name = record_name(document.name, Path(os.path.relpath(path, home)).as_posix())
        problem = name_fault(name)
        if not relative.isprintable():
            summary = "a file's name has characters that cannot be printed"
        elif problem:
            summary = f"the file '{relative}' makes the name '{name}', which {problem}"
        else:
            return SourceFile(document, RecordId(Kind.DATASET, name), path, relative)
        found = relative if relative.isprintable() else ascii(relative)
        self.diagnostics.append(document.fault(_GLOB, "bad-name", summary, found=found, hint="rename the file"))
        return None

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()


def record_name(dataset: str, relative: str) -> str:
    """The name of the record of one file of a glob; `relative` is to the folder of the manifest."""
    path = re.sub(r"^(\.\./)+", "", unicodedata.normalize("NFC", relative))
    return f"{dataset}/{_NOT_IN_NAMES.sub('-', path.lower())}"


def _may_be_empty(document: Document) -> bool:
    return isinstance(document.manifest, Dataset) and document.manifest.spec.source.allow_empty


def _outside(document: Document, path: TreePath, found: str | None) -> Diagnostic:
    expected = "a path that stays in the folder, links included"
    return document.fault(
        path, "outside", "the path leads out of the manifests' folder", found=found, expected=expected
    )


def _collision(file: SourceFile, first: SourceFile) -> Diagnostic:
    summary = f"'{file.relative}' and '{first.relative}' would both be {file.id}"
    path: TreePath = _GLOB if file.is_match else ("metadata", "name")
    hint = f"the other one comes from {first.document.span}"
    return file.document.fault(path, "duplicate-name", summary, found=file.relative, hint=hint)
