"""What sealing a dataset's content has told, so that a file is read once for it and not at every apply (PROTOCOL §6)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, LargeBinary, Row, Table, Text, select

from reconciler.model.errors import StateError
from reconciler.model.ids import Digest, digest
from reconciler.store.columns import JSON_VALUE
from reconciler.store.database import Hex, metadata
from reconciler.store.inserts import upsert
from reconciler.store.works import Connection
from reconciler.wire.documents import StoredPart
from reconciler.wire.sealed_content import SealedContent
from reconciler.wire.stream_cipher import Layout
from reconciler.wire.uhrp import url_of

sealed_parts = Table(
    "sealed_parts",
    metadata,
    Column("dataset", Text, primary_key=True),
    Column("content", Hex, primary_key=True),
    Column("key_commitment", Hex, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("salted", Hex, nullable=False),
    Column("parts", JSON_VALUE, nullable=False),
    Column("tags", LargeBinary, nullable=False),
)
"""Plaintext, by dataset and SHA-256, to its stored form. All of it can be made again from the file and the content seed."""


class SealedParts:
    """Sealed contents by dataset and plaintext."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, dataset: str, content: Digest, commitment: Digest) -> SealedContent | None:
        """What is known of this plaintext under the key with this commitment; None where that is nothing."""
        table = sealed_parts.c
        query = select(sealed_parts).where(
            table.dataset == dataset, table.content == content, table.key_commitment == commitment
        )
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _sealed(row)

    async def put(self, dataset: str, content: Digest, sealed: SealedContent) -> None:
        """Remember; what was known under another key is overwritten. `sealed` has the standard layout."""
        row = {
            "dataset": dataset,
            "content": content,
            "key_commitment": sealed.key_commitment,
            "size": sealed.layout.length,
            "salted": sealed.salted,
            "parts": [part.sha256 for part in sealed.parts],
            "tags": sealed.tags,
        }
        await upsert(self._connection, sealed_parts, [row], keys=["dataset", "content"])


def _sealed(row: Row[Any]) -> SealedContent:
    try:
        layout = Layout(row.size)
        digests = tuple(map(digest, row.parts))
        return SealedContent(
            layout=layout,
            salted=Digest(row.salted),
            key_commitment=Digest(row.key_commitment),
            parts=tuple(
                StoredPart(url_of(part), part, size) for part, size in zip(digests, layout.part_sizes, strict=True)
            ),
            tags=row.tags,
        )
    except (ValueError, TypeError) as error:
        raise StateError(f"what is recorded of the sealed content of {row.dataset} is damaged: {error}") from error
