"""Documents: bytes by their SHA-256 (PROTOCOL §3). They never change, so they are only ever added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256

from sqlalchemy import Column, LargeBinary, Table, select

from reconciler.model.ids import Digest, digest
from reconciler.store.batches import batches
from reconciler.store.database import Hex, metadata
from reconciler.store.inserts import insert_new
from reconciler.store.works import Connection

documents = Table(
    "documents",
    metadata,
    Column("digest", Hex, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)


class Documents:
    """Content-addressed bytes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, *data: bytes) -> tuple[Digest, ...]:
        """Keep each of `data`; returns their digests in order. Idempotent."""
        digests = tuple(digest(sha256(each).digest()) for each in data)
        rows = [{"digest": key, "data": each} for key, each in zip(digests, data, strict=True)]
        await insert_new(self._connection, documents, rows)
        return digests

    async def get(self, key: Digest) -> bytes | None:
        """The bytes with this digest, or None."""
        return (await self.find([key])).get(key)

    async def find(self, digests: Iterable[Digest]) -> Mapping[Digest, bytes]:
        """Those of `digests` that are here, with their bytes."""
        found: dict[Digest, bytes] = {}
        for batch in batches(digests):
            rows = await self._connection.execute(select(documents).where(documents.c.digest.in_(batch)))
            found |= {Digest(row.digest): row.data for row in rows}
        return found

    async def missing(self, digests: Iterable[Digest]) -> tuple[Digest, ...]:
        """Those of `digests` that are not here, in order."""
        wanted = tuple(dict.fromkeys(digests))
        here: set[str] = set()
        for batch in batches(wanted):
            here.update(await self._connection.scalars(select(documents.c.digest).where(documents.c.digest.in_(batch))))
        return tuple(key for key in wanted if key not in here)
