"""Sets of manifests as they were compiled, kept until a file or folder that they were made from changes.

A set is asked for by what was typed and by the program that reads it. It is found while everything that it was made from is
as it was: manifests, contents, files of variables, and the folders where more of them could lie. That is told without reading any, as
git does: by device, inode, mode, size, and the times of content and inode. A time within two seconds before the reading
began proves nothing (git calls it racy), so such a set is not kept; nor is one with a link in it, behind which anything may change.
What is damaged, or lies there for others to write, is not believed: it is made again.

Values of variables are here as in the database: filled in where they stand. Keys and other secrets are not, for
manifests name only the place of those.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from reconciler.control.keeping import Shelf, program
from reconciler.manifest.kept import head_text, read_kept, records_text
from reconciler.manifest.limits import ENDINGS
from reconciler.model.desired import DesiredState
from reconciler.model.diagnostics import Diagnostic

if TYPE_CHECKING:
    from reconciler.manifest.inputs import Inputs
    from reconciler.manifest.load import Manifests

_RACY_NS: Final = 2_000_000_000
_CODE: Final = ("control", "content", "manifest", "manifest/kinds", "model", "wire")
"""The packages that decide what a manifest means."""

_Tree = list[tuple[str, list[str]]]
_Stamp = tuple[int, ...] | None
"""What tells one state of a file or folder from another; None where there is none."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked for, without its answer: a file's name."""

    paths: tuple[Path, ...]
    variable_files: tuple[Path, ...]
    name: str

    @classmethod
    def of(cls, paths: Sequence[Path], variable_files: Sequence[Path], said: Sequence[str | int | None]) -> Self:
        """`said` is what else was given; it may be secret, and cannot be read from the name."""
        named = tuple(map(_absolute, paths)), tuple(map(_absolute, variable_files))
        asked = [[str(path) for path in each] for each in named]
        text = json.dumps([asked, list(said), os.geteuid(), program(_CODE)])
        return cls(*named, hashlib.sha256(text.encode()).hexdigest()[:32])


@dataclass(frozen=True, slots=True)
class Kept:
    """A set that still holds."""

    state: DesiredState
    folder: Path
    warnings: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A set that was compiled just now, and what from."""

    state: DesiredState
    warnings: tuple[Diagnostic, ...]
    manifests: Manifests
    inputs: Inputs


class KeptSets:
    """The cache: one file for each question, in a folder that may be deleted at any time."""

    def __init__(self, folder: Path, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        """`folder` need not exist; `now_ns` is the clock of the file system, in nanoseconds."""
        self._shelf = Shelf(folder)
        self.now_ns = now_ns

    def find(self, question: Question) -> Kept | None:
        """What was kept, if nothing that it was made from has changed."""
        lines = self._shelf.get(question.name)
        if lines is None:
            return None
        try:
            evidence, head, records = lines
            folder, seen, above, digest = json.loads(evidence)
            if _Evidence(seen, above).seen_now().digest() != digest:
                return None
            state, warnings = read_kept(head, records)
        except (OSError, ValueError, TypeError, KeyError):  # out of sight, or of another format
            return None
        return Kept(state, Path(folder), warnings)

    def keep(self, question: Question, compiled: Compiled, *, begun: int) -> bool:
        """Keep a set, if what it was made from can prove by itself, later, that it is the same. Returns whether.

        `begun` is the time before any of it was read. Raises StateError where nothing can be written.
        """
        try:
            evidence = _evidence(question, compiled)
            seen = evidence.seen_now()
        except OSError:  # what cannot be looked at proves nothing
            return False
        if not seen.proves(begun):
            return False
        known = [str(compiled.manifests.folder), evidence.seen, evidence.above, seen.digest()]
        told = json.dumps(known, separators=(",", ":")).encode()
        lines = (told, head_text(compiled.state, compiled.warnings), records_text(compiled.state))
        self._shelf.put(question.name, lines)
        return True


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What a set was made from: folders, with names in them."""

    seen: _Tree
    """Everything that has a say in what the set means, or whose absence has one."""
    above: _Tree
    """Folders on the way there that are to be the same, whatever else is in them."""

    def seen_now(self) -> _Seen:
        """A look at everything."""
        return _Seen(list(map(_stamp, _paths(self.seen))), list(map(_stamp, _paths(self.above))))


@dataclass(frozen=True, slots=True)
class _Seen:
    """How everything was at one look; whatever changes after it is for the next one to tell."""

    stamps: list[_Stamp]
    above: list[_Stamp]

    def proves(self, begun: int) -> bool:
        """Whether all of it is as it was when the reading began, and no change from then on can hide."""
        return all(_proves(stamp, begun) for stamp in chain(self.stamps, self.above)) and all(
            stamp is None or stat.S_ISDIR(stamp[2]) for stamp in self.above
        )

    def digest(self) -> str:
        """The same, in short."""
        kinds = [stamp and stamp[:3] for stamp in self.above]
        return hashlib.sha256(repr(self.stamps).encode() + repr(kinds).encode()).hexdigest()


def _evidence(question: Question, compiled: Compiled) -> _Evidence:
    seen = {str(path) for source in compiled.manifests.sources for path in source.paths}
    seen.update(map(str, (*question.variable_files, *question.paths, *compiled.inputs.trees)))
    for path in question.paths:
        seen.update(_below(path, ENDINGS))
    for folder in compiled.inputs.trees:
        seen.update(_below(folder, ()))
    top = str(compiled.manifests.folder)
    above: set[str] = {top}
    folders = {os.path.dirname(path) for path in seen if path.startswith(top + os.sep)}  # noqa: PTH120  # of many
    while folders - above:
        above |= folders
        folders = {os.path.dirname(path) for path in folders if path != top}  # noqa: PTH120  # as above
    return _Evidence(_tree(seen), _tree(above - seen))


def _below(top: Path, endings: tuple[str, ...]) -> Iterator[str]:
    """All folders in one, and the files with such an ending: as manifests and the files of globs are looked for.

    And links, wherever they lead now: what was passed over as one to nowhere may be one to a file tomorrow.
    """
    waiting = [str(top)] if top.is_dir() else []
    while waiting:
        folder = waiting.pop()
        yield folder
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
        waiting += (entry.path for entry in visible if entry.is_dir(follow_symlinks=False))
        yield from (entry.path for entry in visible if entry.is_symlink() or entry.name.endswith(endings))


def _stamp(path: str) -> _Stamp:
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _proves(stamp: _Stamp, begun: int) -> bool:
    """Whether a change after `begun` cannot leave the stamp as it is."""
    if stamp is None:
        return True
    _, _, mode, _, modified, changed = stamp
    return not stat.S_ISLNK(mode) and max(modified, changed) < begun - _RACY_NS


def _tree(paths: Iterable[str]) -> _Tree:
    folders: dict[str, list[str]] = {}
    for path in sorted(paths):
        folder, _, name = path.rpartition(os.sep)
        folders.setdefault(folder, []).append(name)
    return list(folders.items())


def _paths(tree: _Tree) -> Iterator[str]:
    for folder, names in tree:
        for name in names:
            yield f"{folder}{os.sep}{name}"


def _absolute(path: Path) -> Path:
    return Path(os.path.normpath(path.absolute()))
