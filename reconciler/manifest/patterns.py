"""Which files a glob matches: sorted, case-sensitive, the same on every machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import Path

from reconciler.manifest.files import Boundary


def split_pattern(pattern: str) -> tuple[str, tuple[str, ...]]:
    """The folder that a pattern starts from, and its segments from the first wildcard on (or the last segment)."""
    segments = [segment for segment in pattern.split("/") if segment not in {"", "."}]
    fixed = list(takewhile(lambda segment: not _is_wild(segment), segments))[: len(segments) - 1]
    wild = segments[len(fixed) :]
    doubles = {index for index in range(1, len(wild)) if wild[index] == wild[index - 1] == "**"}
    return "/".join(fixed), tuple(segment for index, segment in enumerate(wild) if index not in doubles)


def matches(start: Path, segments: Sequence[str], boundary: Boundary) -> Iterator[str]:
    """Paths, relative to `start`, of the files that fit the segments.

    Dotfiles, links to folders, and links that leave `boundary` are passed over. Raises OSError.
    """
    depth = None if "**" in segments else len(segments)
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        parents = waiting.pop()
        with os.scandir(start.joinpath(*parents)) as entries:
            for entry in entries:
                parts = (*parents, entry.name)
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if depth is None or len(parts) < depth:
                        waiting.append(parts)
                elif _fits(parts, segments) and _is_ours(entry, boundary):
                    yield "/".join(parts)


def _is_ours(entry: os.DirEntry[str], boundary: Boundary) -> bool:
    return entry.is_file() and (not entry.is_symlink() or boundary.holds(Path(entry.path)))


def _fits(parts: Sequence[str], segments: Sequence[str]) -> bool:
    if not segments:
        return not parts
    if segments[0] == "**":
        return _fits(parts, segments[1:]) or (bool(parts) and _fits(parts[1:], segments))
    return bool(parts) and fnmatchcase(parts[0], segments[0]) and _fits(parts[1:], segments[1:])


def _is_wild(segment: str) -> bool:
    return any(character in segment for character in "*?[")
