"""Small sold content in a file, and hosts that keep parts in memory."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from reconciler.content.sealing import SealedFile, seal
from reconciler.content.sources import LocalFiles, Stored
from reconciler.model.errors import RefusedError, VerificationError
from reconciler.model.ids import Digest
from reconciler.wire.stream_cipher import Layout, content_key

MIB = 1 << 20


@dataclass
class Sold:
    """A file that is sold, with its key."""

    path: Path
    sha256: Digest
    layout: Layout
    key: bytes

    @property
    def file(self) -> LocalFiles:
        return LocalFiles((self.path,), self.sha256, self.layout.length)

    async def seal(self) -> SealedFile:
        sealed = await seal(self.file, key=self.key, sha256=self.sha256, layout=self.layout)
        return SealedFile(self.file, self.key, sealed)


_NUMBERS = count()


@dataclass
class Shelf:
    """A storage host's download side: parts by their hash."""

    kept: dict[Digest, bytes] = field(default_factory=dict)
    url: str = field(default_factory=lambda: f"https://shelf-{next(_NUMBERS)}.example")
    asked: list[Digest] = field(default_factory=list)

    async def keep(self, stored: Stored, *parts: int) -> None:
        for part in parts or range(len(stored.parts)):
            data = b"".join([chunk async for chunk in stored.chunks(part)])
            self.kept[stored.parts[part].sha256] = data

    async def download(self, sha256: Digest, *, size: int) -> AsyncIterator[bytes]:
        self.asked.append(sha256)
        if sha256 not in self.kept:
            raise RefusedError("not here", code="404")
        data = self.kept[sha256]
        for start in range(0, len(data), 700_000):
            yield data[start : start + 700_000]
        if hashlib.sha256(data).hexdigest() != sha256 or len(data) != size:
            raise VerificationError("gives other content")


@pytest.fixture
def make_sold(tmp_path, request):
    """Sold content of some length; of random bytes, or a file with a hole."""

    def make(length: int, *, sparse: bool = False) -> Sold:
        path = tmp_path / f"sold-{length}.bin"
        with path.open("wb") as file:
            if sparse:
                file.truncate(length)
            else:
                file.write(hashlib.shake_256(request.node.name.encode()).digest(length))
        with path.open("rb") as file:
            sha256 = Digest(hashlib.file_digest(file, "sha256").hexdigest())
        seed = hashlib.sha256(request.node.name.encode()).digest()
        return Sold(path, sha256, Layout(length), content_key(seed, "prices/btc", sha256))

    return make


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def shelves() -> tuple[Shelf, Shelf, Shelf]:
    return Shelf(), Shelf(), Shelf()
