"""SHA-256 and size of many contents, and a cache that spares reading the files of those that have not changed.

A content is a file, or several that are read one after the other. A file is known by path, size, inode, and the times of content
and inode: whoever copies or unpacks may set the first as he likes, and give another file the inode of one that is gone.
What was modified within two seconds before it was hashed could be changed again without any of them telling (git calls such
entries racy): it is hashed, but not remembered.
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
from reconciler.content.joined import open_joined
from reconciler.model.errors import StateError
from reconciler.model.ids import Digest, digest
from reconciler.model.parallel import PARALLEL

_VERSION: Final = 3
"""Of the cache's format, and of the descriptions in it."""
_RACY_NS: Final = 2_000_000_000
_ATTEMPTS: Final = 3
_MAX_ENTRIES: Final = 200_000
"""The cache forgets the contents that were hashed longest ago."""


Paths = tuple[Path, ...]
"""Absolute, in the order in which the files are read."""
_Key = tuple[str, ...]
"""The same in the cache."""


class Content(Protocol):
    """What is to be hashed, and whether a description shall be made from it."""

    @property
    def paths(self) -> Paths: ...  # noqa: D102  # of its files
    @property
    def media_type(self) -> str: ...  # noqa: D102  # decides how to read it for a description
    @property
    def describe(self) -> bool: ...  # noqa: D102  # whether to


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentFacts:
    """What a content is, as far as a manifest needs to know."""

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
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> _Stamp:
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


@dataclass(frozen=True, slots=True)
class _Entry:
    stamps: tuple[_Stamp, ...]
    """One for each file."""
    sha256: Digest
    described_as: str | None
    """The media type that the description was made for."""
    description: str | None

    def answers(self, content: Content, stamps: tuple[_Stamp, ...]) -> bool:
        return self.stamps == stamps and (not content.describe or self.described_as == content.media_type)

    def is_settled(self, begun: int) -> bool:
        """Whether all files were left alone long enough before it was begun to hash them."""
        return all(stamp.mtime_ns < begun - _RACY_NS for stamp in self.stamps)


class Digests:
    """Digests of contents, with a cache in one JSON file. `hashed` counts those that had to be read."""

    def __init__(self, cache_path: Path, *, now_ns: Callable[[], int] = time.time_ns, parallel: int = PARALLEL) -> None:
        """`cache_path` need not exist; `now_ns` is the clock of the file system, in nanoseconds.

        At most `parallel` contents are read at the same time.
        """
        self._cache_path = cache_path
        self._now_ns = now_ns
        self._parallel = parallel
        self.hashed = 0

    async def facts(self, contents: Iterable[Content]) -> Mapping[Paths, ContentFacts]:
        """The facts of each content, by the paths of its files.

        Reads in a few threads, in constant memory. Raises StateError for a file that cannot be read, or that changes all
        the time.
        """
        wanted = list(contents)
        known = await asyncio.to_thread(_load, self._cache_path)
        current, unread = await asyncio.to_thread(_split, wanted, known)
        read = await self._read(unread)
        trusted = {_key(paths): entry for paths, (entry, begun) in read.items() if entry.is_settled(begun)}
        if trusted:
            await asyncio.to_thread(_save, self._cache_path, {**known, **trusted})
        entries = current | {paths: entry for paths, (entry, _) in read.items()}
        return {content.paths: _facts(content, entries[content.paths]) for content in wanted}

    async def _read(self, contents: Sequence[Content]) -> dict[Paths, tuple[_Entry, int]]:
        queue: SimpleQueue[Content] = SimpleQueue()
        for content in contents:
            queue.put(content)
        workers = min(self._parallel, len(contents))
        results = await asyncio.gather(*(asyncio.to_thread(self._work, queue) for _ in range(workers)))
        read = {paths: entry for result in results for paths, entry in result.items()}
        self.hashed += len(read)
        return read

    def _work(self, queue: SimpleQueue[Content]) -> dict[Paths, tuple[_Entry, int]]:
        done: dict[Paths, tuple[_Entry, int]] = {}
        while True:
            try:
                content = queue.get_nowait()
            except Empty:
                return done
            begun = self._now_ns()
            done[content.paths] = (_hash(content), begun)


def _hash(content: Content) -> _Entry:
    """Read files, again where one changed meanwhile: a digest of half old and half new bytes is nobody's."""
    for _ in range(_ATTEMPTS):
        before = _stamps(content.paths)
        try:
            with open_joined(content.paths) as stream:
                sha256 = digest(hashlib.file_digest(stream, "sha256").digest())
            description = describe(content.paths, content.media_type) if content.describe else None
        except OSError as error:
            raise _unreadable(error, content.paths) from error
        if _stamps(content.paths) == before:
            return _Entry(before, sha256, content.media_type if content.describe else None, description)
    where = str(content.paths[0])
    raise StateError("a file changes while it is read", where=where, hint="try again when it is complete")


def _split(contents: Sequence[Content], known: Mapping[_Key, _Entry]) -> tuple[dict[Paths, _Entry], list[Content]]:
    """The entries that still hold, and the contents that have to be read."""
    current: dict[Paths, _Entry] = {}
    unread: list[Content] = []
    for content in contents:
        entry = known.get(_key(content.paths))
        if entry is not None and entry.answers(content, _stamps(content.paths)):
            current[content.paths] = entry
        else:
            unread.append(content)
    return current, unread


def _key(paths: Paths) -> _Key:
    return tuple(map(str, paths))


def _stamps(paths: Paths) -> tuple[_Stamp, ...]:
    try:
        return tuple(_Stamp.of(path.stat()) for path in paths)
    except OSError as error:
        raise _unreadable(error, paths) from error


def _unreadable(error: OSError, paths: Paths) -> StateError:
    return StateError("a file cannot be read", where=str(error.filename or paths[0]))


def _facts(content: Content, entry: _Entry) -> ContentFacts:
    return ContentFacts(
        sha256=entry.sha256,
        size=sum(stamp.size for stamp in entry.stamps),
        media_type=content.media_type,
        description=entry.description if content.describe else None,
    )


def _load(path: Path) -> dict[_Key, _Entry]:
    """The cache, or an empty one where it is not there, not readable, or of another version: it is only a cache."""
    try:
        document = json.loads(path.read_bytes())
        if document["version"] != _VERSION:
            return {}
        return dict(map(_item, document["contents"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _item(row: Sequence[Any]) -> tuple[_Key, _Entry]:
    paths, stamps, sha256, described_as, description = row
    known = tuple(_Stamp(*map(int, stamp)) for stamp in stamps)
    return tuple(paths), _Entry(known, digest(sha256), described_as, description)


def _save(path: Path, entries: Mapping[_Key, _Entry]) -> None:
    """Write the cache in one step, so that a reader never sees half of it; the last of several writers wins."""
    rows = [_row(key, entry) for key, entry in list(entries.items())[-_MAX_ENTRIES:]]
    text = json.dumps({"version": _VERSION, "contents": rows}, separators=(",", ":"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8"
        ) as stream:
            stream.write(text)
        Path(stream.name).replace(path)
    except OSError as error:
        raise StateError("the cache of digests cannot be written", where=str(path)) from error


def _row(key: _Key, entry: _Entry) -> list[object]:
    stamps = [[stamp.size, stamp.mtime_ns, stamp.ctime_ns, stamp.inode] for stamp in entry.stamps]
    return [list(key), stamps, entry.sha256, entry.described_as, entry.description]
