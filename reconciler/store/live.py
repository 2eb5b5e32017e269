"""The tables of what is live: root, records, replicas, generations; and how model values stand in them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Integer, Row, Table, Text

from reconciler.model.ids import Digest, IdentityKey, Kind, Outpoint, RecordId, Txid
from reconciler.model.observed import ObservedRecord, ObservedReplica, ObservedRoot
from reconciler.store.columns import JSON_VALUE, Choice, Instant
from reconciler.store.database import Hex, metadata

published_root = Table(
    "published_root",
    metadata,
    Column("identity", Hex, primary_key=True),
    Column("name", Text, nullable=False),
    Column("txid", Hex, nullable=False),
    Column("vout", BigInteger, nullable=False),
    Column("document_hash", Hex, nullable=False),
    Column("public", JSON_VALUE, nullable=False),
    Column("sealed", JSON_VALUE, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("state_root", Hex, nullable=False),
    Column("leaf_count", Integer, nullable=False),
    Column("gateway_key", Hex, nullable=False),
    Column("source", Text, nullable=False),
    Column("network_id", Hex, nullable=False),
)
"""One row, or none."""

published_records = Table(
    "published_records",
    metadata,
    Column("kind", Choice(Kind), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("txid", Hex, nullable=False),
    Column("vout", BigInteger, nullable=False),
    Column("document_hash", Hex, nullable=False),
    Column("public", JSON_VALUE, nullable=False),
    Column("sealed", JSON_VALUE, nullable=False),
)

published_replicas = Table(
    "published_replicas",
    metadata,
    Column("dataset", Text, primary_key=True),
    Column("host", Text, primary_key=True),
    Column("content", Hex, nullable=False),
    Column("parts", JSON_VALUE, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("expires", Instant, nullable=False),
)

generations = Table(
    "generations",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("txid", Hex, nullable=False),
    Column("vout", BigInteger, nullable=False),
    Column("state_root", Hex, nullable=False),
    Column("leaf_count", Integer, nullable=False),
    Column("written", Integer, nullable=False),
    Column("deleted", Integer, nullable=False),
    Column("commit_id", Text),
    Column("at", Instant, nullable=False),
)
"""Which roots this machine has made live or rebuilt; the chain has the whole history."""


def outpoint_of(row: Row[Any]) -> Outpoint:
    """The outpoint in a row's `txid` and `vout`."""
    return Outpoint(Txid(row.txid), row.vout)


def record_row(record: ObservedRecord) -> dict[str, object]:
    """A row of published_records."""
    return {"kind": record.id.kind, **_token_row(record)}


def record_of(row: Row[Any], kind: Kind) -> ObservedRecord:
    """The record in a row of published_records, or the root's own in one of published_root."""
    return ObservedRecord(
        id=RecordId(kind, row.name),
        outpoint=outpoint_of(row),
        document_hash=Digest(row.document_hash),
        public=row.public,
        sealed=row.sealed,
    )


def root_row(root: ObservedRoot, identity: IdentityKey) -> dict[str, object]:
    """A row of published_root."""
    return {
        "identity": identity,
        **_token_row(root.record),
        "generation": root.generation,
        "state_root": root.state_root,
        "leaf_count": root.leaf_count,
        "gateway_key": root.gateway_key,
        "source": root.source,
        "network_id": root.network_id,
    }


def root_of(row: Row[Any]) -> ObservedRoot:
    """The root in a row of published_root."""
    return ObservedRoot(
        record=record_of(row, Kind.PRODUCER),
        generation=row.generation,
        state_root=Digest(row.state_root),
        leaf_count=row.leaf_count,
        gateway_key=IdentityKey(row.gateway_key),
        source=row.source,
        network_id=Digest(row.network_id),
    )


def replica_row(replica: ObservedReplica) -> dict[str, object]:
    """A row of published_replicas."""
    return {
        "dataset": replica.dataset,
        "host": replica.host,
        "content": replica.content,
        "parts": list(replica.parts),
        "size": replica.size,
        "expires": replica.expires,
    }


def replica_of(row: Row[Any]) -> ObservedReplica:
    """The replica in a row of published_replicas."""
    return ObservedReplica(
        dataset=row.dataset,
        host=row.host,
        content=Digest(row.content),
        parts=tuple(map(Digest, row.parts)),
        size=row.size,
        expires=row.expires,
    )


def _token_row(record: ObservedRecord) -> dict[str, object]:
    return {
        "name": record.id.name,
        "txid": record.outpoint.txid,
        "vout": record.outpoint.vout,
        "document_hash": record.document_hash,
        "public": record.public,
        "sealed": record.sealed,
    }
