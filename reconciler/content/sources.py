"""Content in the form in which storage hosts keep it, part by part, and where its plaintext comes from."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import Final, Protocol

from reconciler.content.joined import open_joined
from reconciler.model.errors import StalePlanError
from reconciler.model.ids import Digest
from reconciler.wire.documents import StoredPart
from reconciler.wire.uhrp import url_of

CHUNK: Final = 1 << 20


class Plaintext(Protocol):
    """A dataset's bytes."""

    async def files(self) -> Sequence[Path]:
        """The files in which they lie, one after the other, once those are on this machine.

        `check` has seen them, or they were fetched and hashed.
        """
        ...


class Stored(Protocol):
    """Content as hosts keep it."""

    @property
    def parts(self) -> tuple[StoredPart, ...]:
        """Each is one object on a host."""
        ...

    def chunks(self, part: int) -> AsyncIterator[bytes]:
        """The stored bytes of one part, again at every call. Raises StalePlanError where the file is no longer the same."""
        ...


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """Plaintext in files of this machine, one after the other; they may be edited at any time."""

    paths: tuple[Path, ...]
    sha256: Digest
    """Of all of them together."""
    size: int

    async def files(self) -> Sequence[Path]:
        """See Plaintext."""
        return self.paths

    async def check(self) -> None:
        """Raises StalePlanError where the files are not what was planned any more. Reads them whole."""
        if await asyncio.to_thread(_digest, self.paths) != self.sha256:
            raise changed(self.paths)


@dataclass(frozen=True)
class FreeContent:
    """Content that is stored as it is, as one object under its plain hash (PROTOCOL §6)."""

    plaintext: Plaintext
    sha256: Digest
    size: int

    @cached_property
    def parts(self) -> tuple[StoredPart, ...]:
        """The one there is."""
        return (StoredPart(url_of(self.sha256), self.sha256, self.size),)

    async def chunks(self, part: int) -> AsyncIterator[bytes]:  # noqa: ARG002 - there is only one
        """See Stored: exactly the bytes that were planned, the last of them only once all of them were right."""
        paths = await self.plaintext.files()
        digest, sent = hashlib.sha256(), 0
        with opened(paths) as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                sent += len(chunk)
                digest.update(chunk)
                if sent > self.size or (sent == self.size and digest.hexdigest() != self.sha256):
                    raise changed(paths)
                yield chunk
        if sent < self.size:
            raise changed(paths)


@contextmanager
def opened(paths: Sequence[Path]) -> Iterator[BufferedReader]:
    """Planned files, open for reading as one. Raises StalePlanError where one cannot be read."""
    try:
        with open_joined(paths) as file:
            yield file
    except OSError as error:
        path = Path(error.filename) if error.filename else paths[0]
        raise StalePlanError(
            f"{path.name} can no longer be read: {error.strerror}", where=str(path), hint="plan again"
        ) from error


def changed(paths: Sequence[Path]) -> StalePlanError:
    """The error for files that are not what was planned: which of several it is, their common hash does not tell."""
    first, *others = paths
    name = f"one of the {len(paths)} files from {first.name} to {others[-1].name}" if others else first.name
    return StalePlanError(f"{name} changed since the plan was made", where=str(first), hint="plan again")


def _digest(paths: Sequence[Path]) -> Digest:
    with opened(paths) as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())
