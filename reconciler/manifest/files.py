"""Which files are manifests: those that are named, and those in folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.manifest.encoding import MAX_BYTES
from reconciler.manifest.kinds.envelope import API_VERSION
from reconciler.manifest.limits import ENDINGS
from reconciler.model.diagnostics import Diagnostic, Severity
from reconciler.model.source import SourceSpan

"""Of manifests in folders."""
_CHUNK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """A file to be read; `name` is its path relative to the folder of the whole set, with forward slashes."""

    path: Path
    name: str
    is_named: bool
    """Named by the user, not found in a folder: it has to be a manifest."""


def manifest_files(paths: Sequence[Path]) -> tuple[Path, tuple[ManifestFile, ...], list[Diagnostic]]:
    """The set's folder, and its files in the order of `paths`, those of a folder by name.

    The folder is the nearest one that contains all that was named.
    """
    absolute = [Path(os.path.normpath(path.absolute())) for path in paths]
    folders = [path if path.is_dir() else path.parent for path in absolute]
    folder = Path(os.path.commonpath(folders)) if folders else Path.cwd()
    diagnostics: list[Diagnostic] = []
    files: dict[Path, ManifestFile] = {}
    for path in absolute:
        if path.is_dir():
            for found in _walk(path, folder, diagnostics):
                files.setdefault(found, ManifestFile(found, found.relative_to(folder).as_posix(), is_named=False))
        else:
            files[path] = ManifestFile(path, path.relative_to(folder).as_posix(), is_named=True)
    return folder, tuple(files.values()), diagnostics


def read(file: ManifestFile) -> bytes | Diagnostic | None:
    """The bytes of a file, or why it has none. A pipe or device is not waited for.

    None for a huge file in a folder that has nothing of ours: it is somebody else's.
    """
    try:
        status = file.path.stat()
        if not stat.S_ISREG(status.st_mode):
            return _fault("not-a-file", f"'{file.name}' is not a regular file", file.name)
        if status.st_size > MAX_BYTES:
            if not file.is_named and not _mentions(file.path, API_VERSION.encode()):
                return None
            return _fault(
                "too-large", f"the file is larger than {MAX_BYTES} bytes", file.name, f"{status.st_size} bytes"
            )
        return file.path.read_bytes()
    except FileNotFoundError:
        return _fault("no-such-file", f"there is no file or folder '{file.name}'", file.name)
    except OSError as error:
        return _fault("unreadable", f"the file cannot be read: {os.strerror(error.errno or 0).lower()}", file.name)


def _mentions(path: Path, word: bytes) -> bool:
    """Whether a file has a word in it; read in pieces."""
    with path.open("rb") as stream:
        rest = b""
        while chunk := stream.read(_CHUNK):
            if word in rest + chunk:
                return True
            rest = chunk[-len(word) :]
    return False


class Boundary:
    """The folder that paths may not leave, all links followed; remembers the folders that it has looked at."""

    def __init__(self, folder: Path) -> None:
        self._real = os.path.realpath(folder)
        self._prefix = self._real.rstrip(os.sep) + os.sep
        self._known: dict[Path, bool] = {}

    def holds(self, path: Path) -> bool:
        """Whether `path` lies in the folder; it need not exist."""
        parent = path.parent
        if parent not in self._known:
            self._known[parent] = self._has(parent)
        return self._has(path) if path.is_symlink() or not self._known[parent] else True

    def _has(self, path: Path) -> bool:
        real = os.path.realpath(path)
        return real == self._real or real.startswith(self._prefix)


def _walk(top: Path, folder: Path, diagnostics: list[Diagnostic]) -> Iterator[Path]:
    def report(error: OSError) -> None:
        name = os.path.relpath(os.fsdecode(error.filename), folder)
        diagnostics.append(_fault("unreadable", "the folder cannot be read", Path(name).as_posix()))

    boundary = Boundary(folder)
    for directory, folders, names in os.walk(top, onerror=report):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = (link for name in folders if (link := Path(directory, name)).is_symlink())
        diagnostics.extend(_linked_folder(link.relative_to(folder).as_posix()) for link in links)
        for name in sorted(names):
            path = Path(directory, name)
            if name.startswith(".") or not name.endswith(ENDINGS):
                continue
            if path.is_symlink() and not boundary.holds(path):
                summary = "the link leads out of the folder"
                diagnostics.append(_fault("outside", summary, path.relative_to(folder).as_posix()))
                continue
            yield path


def _linked_folder(name: str) -> Diagnostic:
    summary = "manifests are not looked for behind a link to a folder"
    return Diagnostic(severity=Severity.WARNING, code="linked-folder", summary=summary, span=SourceSpan(name))


def _fault(code: str, summary: str, name: str, found: str | None = None) -> Diagnostic:
    return Diagnostic(code=code, summary=summary, span=SourceSpan(name), found=found)
