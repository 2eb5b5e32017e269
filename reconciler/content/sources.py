"""Content in the form in which storage hosts keep it, part by part, and where its plaintext comes from."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Final, Protocol

from reconciler.model.errors import StalePlanError
from reconciler.model.ids import Digest
from reconciler.wire.documents import StoredPart
from reconciler.wire.uhrp import url_of

CHUNK: Final = 1 << 20


class Plaintext(Protocol):
    """A dataset's bytes."""

    async def file(self) -> Path:
        """Where they lie, once they are on this machine; `check` has seen them, or they were fetched and hashed."""
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
class LocalFile:
    """Plaintext in a file of this machine, which may be edited at any time."""

    path: Path
    sha256: Digest
    size: int

    async def file(self) -> Path:
        """See Plaintext."""
        return self.path

    async def check(self) -> None:
        """Raises StalePlanError where the file is not what was planned any more. Reads it whole."""
        if await asyncio.to_thread(_digest, self.path) != self.sha256:
            raise changed(self.path)


@dataclass(frozen=True, slots=True)
class FreeContent:
    """Content that is stored as it is, as one object under its plain hash (PROTOCOL §6)."""

    plaintext: Plaintext
    sha256: Digest
    size: int

    @property
    def parts(self) -> tuple[StoredPart, ...]:
        """The one there is."""
        return (StoredPart(url_of(self.sha256), self.sha256, self.size),)

    async def chunks(self, part: int) -> AsyncIterator[bytes]:  # noqa: ARG002 - there is only one
        """See Stored: exactly the bytes that were planned, the last of them only once all of them were right."""
        path = await self.plaintext.file()
        digest, sent = hashlib.sha256(), 0
        with opened(path) as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                sent += len(chunk)
                digest.update(chunk)
                if sent > self.size or (sent == self.size and digest.hexdigest() != self.sha256):
                    raise changed(path)
                yield chunk
        if sent < self.size:
            raise changed(path)


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """A planned file, open for reading. Raises StalePlanError where it cannot be read."""
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise StalePlanError(
            f"{path.name} can no longer be read: {error.strerror}", where=str(path), hint="plan again"
        ) from error


def changed(path: Path) -> StalePlanError:
    """The error for a file that is not what was planned."""
    return StalePlanError(f"{path.name} changed since the plan was made", where=str(path), hint="plan again")


def _digest(path: Path) -> Digest:
    with opened(path) as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())
