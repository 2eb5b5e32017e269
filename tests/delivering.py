"""Contents of a gateway that are all alike, and do what a test wants."""

from __future__ import annotations

import hashlib
from typing import Any

from reconciler.model.errors import UnreachableError
from reconciler.model.ids import Digest
from reconciler.wire.sealed_content import KnownContent

DATA = bytes(range(256)) * 20
SIZE = len(DATA)
SHA256 = Digest(hashlib.sha256(DATA).hexdigest())


class Pieces:
    """Plaintext in pieces; may fail, or wait, before one of them."""

    def __init__(self, pieces, *, fails_at=None, gate=None) -> None:
        self._pieces = pieces
        self._fails_at = fails_at
        self._gate = gate
        self.given = 0
        self.closed = False

    def __aiter__(self):
        return self

    async def __anext__(self) -> bytes:
        if self.given == self._fails_at:
            raise UnreachableError("gone")
        if self.given >= len(self._pieces):
            raise StopAsyncIteration
        if self.given and self._gate is not None:
            await self._gate.wait()
        self.given += 1
        return self._pieces[self.given - 1]

    async def aclose(self) -> None:
        self.closed = True


class Contents:
    """Everything is DATA. Satisfies gateway.ports.Contents."""

    def __init__(self) -> None:
        self.key: bytes | None = bytes(32)
        self.size = SIZE
        self.away = False
        self.reading: list[Pieces] = []
        self.how: dict[str, Any] = {}

    async def known(self, document):
        if document.content is None:
            return None
        key = self.key if document.content.key_commitment else None
        published = document.content
        object.__setattr__(published, "size", self.size)
        return KnownContent(published=published, sha256=SHA256, key=key)

    async def read(self, content, start, stop):
        if self.away:
            raise UnreachableError("no storage host gives it")
        self.reading.append(Pieces([DATA[at : min(at + 1000, stop)] for at in range(start, stop, 1000)], **self.how))
        return self.reading[-1]
