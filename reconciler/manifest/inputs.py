"""Which paths a set of manifests is made of: so that a change on disk can be told from what is none of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Self

from reconciler.manifest.kinds import Dataset
from reconciler.manifest.limits import ENDINGS
from reconciler.manifest.load import Manifests
from reconciler.manifest.patterns import split_pattern


@dataclass(frozen=True)
class Inputs:
    """All paths are absolute. Files that hold secrets are not among them: they are read where they are used."""

    named: tuple[Path, ...]
    """Manifest files, and folders of them, as they were named."""
    beside: frozenset[Path] = frozenset()
    """Files of variables."""
    sources: frozenset[Path] = frozenset()
    """Files that datasets name."""
    trees: tuple[Path, ...] = ()
    """Folders in which globs look for files."""

    @classmethod
    def of_paths(cls, paths: Sequence[Path], beside: Sequence[Path] = ()) -> Self:
        """Before anything was read."""
        return cls(tuple(map(_absolute, paths)), frozenset(map(_absolute, beside)))

    @classmethod
    def of(cls, manifests: Manifests, paths: Sequence[Path], beside: Sequence[Path] = ()) -> Self:
        """What a set of manifests, read from `paths`, is made of; of a broken one, as far as it could be read."""
        return cls(
            named=tuple(map(_absolute, paths)),
            beside=frozenset(map(_absolute, beside)),
            sources=frozenset(path for source in manifests.sources if not source.is_match for path in source.paths),
            trees=tuple(sorted(set(_trees(manifests)))),
        )

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that have to be watched, with all that is below them: paths never leave the manifests' own."""
        return tuple(sorted({path if path.is_dir() else path.parent for path in self.named}))

    @property
    def side_folders(self) -> tuple[Path, ...]:
        """Those that have to be watched for single files, and no further down."""
        return tuple(sorted({path.parent for path in self.beside}))

    def concerns(self, path: Path) -> bool:
        """Whether a path that was made, changed or removed may change what is desired."""
        if path in self._exact:
            return True
        if any(_is_visible_below(folder, path) for folder in self.trees):
            return True
        # Of a folder that is new, what came with it may not be told.
        return any(_is_visible_below(top, path) for top in self._tops) and (
            path.name.endswith(ENDINGS) or path.is_dir()
        )

    @cached_property
    def _exact(self) -> frozenset[Path]:
        """Files by name, and the folders above them: where such a folder goes, they go."""
        files = {*self.named, *self.beside, *self.sources, *self.trees}
        tops = self.folders
        above = {parent for file in files for parent in file.parents if any(top in parent.parents for top in tops)}
        return frozenset(files | above)

    @cached_property
    def _tops(self) -> tuple[Path, ...]:
        """Where manifests may lie that nobody named."""
        return tuple(path for path in self.named if path.is_dir())


def _trees(manifests: Manifests) -> Iterator[Path]:
    for document in manifests.documents:
        if isinstance(document.manifest, Dataset) and document.manifest.spec.source.glob is not None:
            start, _ = split_pattern(document.manifest.spec.source.glob)
            yield _absolute(manifests.folder / PurePosixPath(document.file).parent / start)


def _is_visible_below(folder: Path, path: Path) -> bool:
    """Dotfiles, and what is in folders with such a name, are no manifests and no content."""
    return folder in path.parents and not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _absolute(path: Path) -> Path:
    return Path(os.path.normpath(path.absolute()))
