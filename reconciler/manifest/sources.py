"""Which records a dataset's source makes: one for each file that a glob matches, else one."""

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
from reconciler.model.ids import Kind, RecordId, name_fault, verb_fault

_NOT_IN_NAMES = re.compile(r"[^a-z0-9._/-]")
_PATH: TreePath = ("spec", "source", "path")
_GLOB: TreePath = ("spec", "source", "glob")
_PARTS: TreePath = ("spec", "source", "parts")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a manifest names, or that a pattern matches."""

    path: Path
    """Absolute; it need not exist."""
    relative: str
    """To the set's folder, with forward slashes."""
    field: TreePath
    """Where the manifest names it."""


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A record to be, and where its bytes are."""

    document: Document
    id: RecordId
    files: tuple[SourceFile, ...]
    """Those that, one after the other, are the content; none where the bytes are elsewhere, or stored already."""

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
    def paths(self) -> tuple[Path, ...]:
        """Of its files."""
        return tuple(file.path for file in self.files)

    @property
    def first(self) -> str:
        """The first file, relative to the set's folder, else the URL of bytes that are elsewhere."""
        source = self.dataset.spec.source
        return self.files[0].relative if self.files else source.url or source.uhrp or ""

    def fault(self, code: str, summary: str, *, expected: str | None = None, hint: str | None = None) -> Diagnostic:
        """A diagnostic about the content as a whole."""
        where: TreePath = ("spec", "source", self.dataset.spec.source.origin)
        found = self.first if len(self.files) < 2 else f"{self.first} and {len(self.files) - 1} more"
        return self.document.fault(where, code, summary, found=found, expected=expected, hint=hint)


def dataset_sources(documents: Iterable[Document], folder: Path) -> tuple[tuple[DatasetSource, ...], list[Diagnostic]]:
    """The records of all datasets, sorted by name.

    Two of the same name are an error; that of two documents' own names is found by `references`.
    """
    search = _Search(folder)
    sources: dict[str, DatasetSource] = {}
    for document in documents:
        if not isinstance(document.manifest, Dataset):
            continue
        for source in search.sources_of(document, document.manifest):
            first = sources.setdefault(source.id.name, source)
            if first is not source and (source.is_match or first.is_match):
                search.diagnostics.append(_collision(source, first))
    return tuple(sources[name] for name in sorted(sources)), search.diagnostics


class _Search:
    """Looks for the files of datasets in one folder, and collects what is wrong with them."""

    def __init__(self, folder: Path) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._folder = folder
        self._boundary = Boundary(folder)

    def sources_of(self, document: Document, dataset: Dataset) -> list[DatasetSource]:
        """One for each file that a glob matches, else the one there is, its files present or not."""
        home = str(self._folder / PurePosixPath(document.file).parent)
        source = dataset.spec.source
        if source.glob is not None:
            return self._matches(document, source.glob, home)
        written = [(_PATH, source.path)] if source.path is not None else _numbered(source.parts or ())
        files = self._named(document, written, home)
        return [] if files is None else [DatasetSource(document, RecordId(Kind.DATASET, document.name), files)]

    def _named(
        self, document: Document, written: Iterable[tuple[TreePath, str]], home: str
    ) -> tuple[SourceFile, ...] | None:
        """The files that a manifest names, or None where something is wrong with one."""
        files: dict[Path, SourceFile] = {}
        faults: list[Diagnostic] = []
        for field, text in written:
            path = Path(os.path.normpath(os.path.join(home, text)))  # noqa: PTH118  # twice as fast, 10,000 times
            if not self._boundary.holds(path):
                faults.append(_outside(document, field, text))
            elif path in files:
                faults.append(_named_before(document, field, text))
            else:
                files[path] = SourceFile(path, self._relative(path), field)
        self.diagnostics += faults
        return None if faults else tuple(files.values())

    def _matches(self, document: Document, pattern: str, home: str) -> list[DatasetSource]:
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
        sources = (self._match(document, start / relative, home) for relative in found)
        return [source for source in sources if source is not None]

    def _match(self, document: Document, path: Path, home: str) -> DatasetSource | None:
        relative = self._relative(path)
        name = record_name(document.name, Path(os.path.relpath(path, home)).as_posix())
        problem = name_fault(name) or verb_fault(Kind.DATASET, name)
        if not relative.isprintable():
            summary = "a file's name has characters that cannot be printed"
        elif problem:
            summary = f"the file '{relative}' makes the name '{name}', which {problem}"
        else:
            return DatasetSource(document, RecordId(Kind.DATASET, name), (SourceFile(path, relative, _GLOB),))
        found = relative if relative.isprintable() else ascii(relative)
        self.diagnostics.append(document.fault(_GLOB, "bad-name", summary, found=found, hint="rename the file"))
        return None

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()


def record_name(dataset: str, relative: str) -> str:
    """The name of the record of one file of a glob; `relative` is to the folder of the manifest."""
    path = re.sub(r"^(\.\./)+", "", unicodedata.normalize("NFC", relative))
    return f"{dataset}/{_NOT_IN_NAMES.sub('-', path.lower())}"


def _numbered(parts: Iterable[str]) -> list[tuple[TreePath, str]]:
    return [((*_PARTS, index), part) for index, part in enumerate(parts)]


def _may_be_empty(document: Document) -> bool:
    return isinstance(document.manifest, Dataset) and document.manifest.spec.source.allow_empty


def _outside(document: Document, path: TreePath, found: str | None) -> Diagnostic:
    expected = "a path that stays in the folder, links included"
    return document.fault(
        path, "outside", "the path leads out of the manifests' folder", found=found, expected=expected
    )


def _named_before(document: Document, field: TreePath, found: str) -> Diagnostic:
    hint = "its bytes would be in the content twice"
    return document.fault(field, "duplicate-part", "this file is a part already", found=found, hint=hint)


def _collision(source: DatasetSource, first: DatasetSource) -> Diagnostic:
    summary = f"'{source.first}' and '{first.first}' would both be {source.id}"
    path: TreePath = _GLOB if source.is_match else ("metadata", "name")
    hint = f"the other one comes from {first.document.span}"
    return source.document.fault(path, "duplicate-name", summary, found=source.first, hint=hint)
