"""SHA-256 and size of many files, and a cache that spares reading those that have not changed.

A file is known by path, size, modification time and inode. What was modified within two seconds before it was hashed could be
changed again without any of them telling (git calls such entries racy): it is hashed, but not remembered.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import NamedTemporaryFile
from typing import Any, Final, Protocol

from reconciler.content.describe import describe
from reconciler.model.errors import StateError
from reconciler.model.ids import Digest, digest

_VERSION: Final = 1
"""Of the cache's format, and of the descriptions in it."""
_RACY_NS: Final = 2_000_000_000
_ATTEMPTS: Final = 3
_MAX_ENTRIES: Final = 200_000
"""The cache forgets the files that were hashed longest ago."""
PARALLEL: Final = 4
"""Files that are read at the same time, unless told otherwise; more than there are cores, for disks that wait."""


class File(Protocol):
    """A file to be hashed, and whether a description shall be made from it."""

    @property
    def path(self) -> Path: ...  # noqa: D102  # absolute
    @property
    def media_type(self) -> str: ...  # noqa: D102  # decides how to read it for a description
    @property
    def describe(self) -> bool: ...  # noqa: D102  # whether to


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentFacts:
    """What a file contains, as far as a manifest needs to know."""

    sha256: Digest
    size: int
    """Bytes."""
    media_type: str
    description: str | None = None
    """Made from the data; None where it was not asked for, or the data is not what its media type says."""


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What tells one state of a file from another without reading it."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> _Stamp:
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


@dataclass(frozen=True, slots=True)
class _Entry:
    stamp: _Stamp
    sha256: Digest
    described_as: str | None
    """The media type that the description was made for."""
    description: str | None

    def answers(self, file: File, stamp: _Stamp) -> bool:
        return self.stamp == stamp and (not file.describe or self.described_as == file.media_type)


class Digests:
    """Digests of files, with a cache in one JSON file. `hashed` counts the files that had to be read."""

    def __init__(self, cache_path: Path, *, now_ns: Callable[[], int] = time.time_ns, parallel: int = PARALLEL) -> None:
        """`cache_path` need not exist; `now_ns` is the clock of the file system, in nanoseconds.

        At most `parallel` files are read at the same time.
        """
        self._cache_path = cache_path
        self._now_ns = now_ns
        self._parallel = parallel
        self.hashed = 0

    async def facts(self, files: Iterable[File]) -> Mapping[Path, ContentFacts]:
        """The facts of each file, by its path.

        Reads in a few threads, in constant memory. Raises StateError for a file that cannot be read, or that changes all
        the time.
        """
        wanted = list(files)
        known = await asyncio.to_thread(_load, self._cache_path)
        current, unread = await asyncio.to_thread(_split, wanted, known)
        read = await self._read(unread)
        if any(self._is_trusted(entry, begun) for entry, begun in read.values()):
            trusted = {str(path): entry for path, (entry, begun) in read.items() if self._is_trusted(entry, begun)}
            await asyncio.to_thread(_save, self._cache_path, {**known, **trusted})
        entries = current | {path: entry for path, (entry, _) in read.items()}
        return {file.path: _facts(file, entries[file.path]) for file in wanted}

    @staticmethod
    def _is_trusted(entry: _Entry, begun: int) -> bool:
        return entry.stamp.mtime_ns < begun - _RACY_NS

    async def _read(self, files: Sequence[File]) -> dict[Path, tuple[_Entry, int]]:
        queue: SimpleQueue[File] = SimpleQueue()
        for file in files:
            queue.put(file)
        workers = min(self._parallel, len(files))
        results = await asyncio.gather(*(asyncio.to_thread(self._work, queue) for _ in range(workers)))
        read = {path: entry for result in results for path, entry in result.items()}
        self.hashed += len(read)
        return read

    def _work(self, queue: SimpleQueue[File]) -> dict[Path, tuple[_Entry, int]]:
        done: dict[Path, tuple[_Entry, int]] = {}
        while True:
            try:
                file = queue.get_nowait()
            except Empty:
                return done
            begun = self._now_ns()
            done[file.path] = (_hash(file), begun)


def _hash(file: File) -> _Entry:
    """Read a file, again where it changed meanwhile: a digest of half old and half new bytes is nobody's."""
    try:
        for _ in range(_ATTEMPTS):
            with file.path.open("rb") as stream:
                before = _Stamp.of(os.fstat(stream.fileno()))
                sha256 = digest(hashlib.file_digest(stream, "sha256").digest())
            description = describe(file.path, file.media_type) if file.describe else None
            if _Stamp.of(file.path.stat()) == before:
                return _Entry(before, sha256, file.media_type if file.describe else None, description)
    except OSError as error:
        raise StateError("a file cannot be read", where=str(file.path)) from error
    raise StateError("a file changes while it is read", where=str(file.path), hint="try again when it is complete")


def _split(files: Sequence[File], known: Mapping[str, _Entry]) -> tuple[dict[Path, _Entry], list[File]]:
    """The entries that still hold, and the files that have to be read."""
    current: dict[Path, _Entry] = {}
    unread: list[File] = []
    for file in files:
        entry = known.get(str(file.path))
        if entry is not None and entry.answers(file, _stamp(file.path)):
            current[file.path] = entry
        else:
            unread.append(file)
    return current, unread


def _stamp(path: Path) -> _Stamp:
    try:
        return _Stamp.of(path.stat())
    except OSError as error:
        raise StateError("a file cannot be read", where=str(path)) from error


def _facts(file: File, entry: _Entry) -> ContentFacts:
    description = entry.description if file.describe else None
    return ContentFacts(sha256=entry.sha256, size=entry.stamp.size, media_type=file.media_type, description=description)


def _load(path: Path) -> dict[str, _Entry]:
    """The cache, or an empty one where it is not there, not readable, or of another version: it is only a cache."""
    try:
        document = json.loads(path.read_bytes())
        if document["version"] != _VERSION:
            return {}
        return {name: _entry(row) for name, row in document["files"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _entry(row: Sequence[Any]) -> _Entry:
    size, mtime_ns, inode, sha256, described_as, description = row
    return _Entry(_Stamp(int(size), int(mtime_ns), int(inode)), digest(sha256), described_as, description)


def _save(path: Path, entries: Mapping[str, _Entry]) -> None:
    """Write the cache in one step, so that a reader never sees half of it; the last of several writers wins."""
    rows = {name: _row(entry) for name, entry in list(entries.items())[-_MAX_ENTRIES:]}
    text = json.dumps({"version": _VERSION, "files": rows}, separators=(",", ":"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8"
        ) as stream:
            stream.write(text)
        Path(stream.name).replace(path)
    except OSError as error:
        raise StateError("the cache of digests cannot be written", where=str(path)) from error


def _row(entry: _Entry) -> list[object]:
    stamp = entry.stamp
    return [stamp.size, stamp.mtime_ns, stamp.inode, entry.sha256, entry.described_as, entry.description]
