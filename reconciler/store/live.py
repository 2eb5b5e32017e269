"""The tables of what is live: root, records, replicas, generations; and how model values stand in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import BigInteger, Column, Integer, Row, Table, Text

from reconciler.model.ids import AdProtocol, Digest, IdentityKey, Kind, Outpoint, RecordId, Txid
from reconciler.model.json import JsonObject
from reconciler.model.observed import ListedAd, ObservedAd, ObservedRecord, ObservedReplica, ObservedRoot
from reconciler.store.columns import JSON_VALUE, Choice, Instant
from reconciler.store.database import Hex, metadata
from reconciler.wire.canonical import canonical_json, sha256_hex

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
    Column("ads", JSON_VALUE, nullable=False),
    Column("settings", JSON_VALUE, nullable=False),
    Column("digest", Hex, nullable=False),
)
"""One row, or none."""

published_ads = Table(
    "published_ads",
    metadata,
    Column("protocol", Choice(AdProtocol), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("url", Text, primary_key=True),
    Column("txid", Hex, nullable=False),
    Column("vout", BigInteger, nullable=False),
)
"""The tokens of the advertisements that the root lists."""

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
    Column("digest", Hex, nullable=False),
)
"""`digest` is that of the row as an apply wrote it: a row that was edited since does not match it (DESIGN §4.1)."""

published_replicas = Table(
    "published_replicas",
    metadata,
    Column("dataset", Text, primary_key=True),
    Column("host", Text, primary_key=True),
    Column("content", Hex, nullable=False),
    Column("parts", JSON_VALUE, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("expires", Instant, nullable=False),
    Column("digest", Hex, nullable=False),
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
    return _digested({"kind": record.id.kind, **_token_row(record)})


def is_edited(row: Row[Any]) -> bool:
    """Whether somebody else than an apply has changed a row."""
    values = {name: value for name, value in row._mapping.items() if name != "digest"}  # noqa: SLF001 - SQLAlchemy's public name
    return bool(_row_digest(values) != row.digest)


def ad_row(ad: ObservedAd) -> dict[str, object]:
    """A row of published_ads."""
    return {
        "protocol": ad.protocol,
        "name": ad.name,
        "url": ad.url,
        "txid": ad.outpoint.txid,
        "vout": ad.outpoint.vout,
    }


def ad_of(row: Row[Any]) -> ObservedAd:
    """The advertisement in a row of published_ads."""
    return ObservedAd(protocol=row.protocol, name=row.name, url=row.url, outpoint=outpoint_of(row), is_recorded=True)


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
    row = {
        "identity": identity,
        **_token_row(root.record),
        "generation": root.generation,
        "state_root": root.state_root,
        "leaf_count": root.leaf_count,
        "gateway_key": root.gateway_key,
        "source": root.source,
        "network_id": root.network_id,
        "ads": [{"protocol": ad.protocol.value, "name": ad.name, "url": ad.url} for ad in root.ads],
        "settings": dict(root.settings),
    }
    return _digested(row)


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
        ads=tuple(ListedAd(protocol=AdProtocol(ad["protocol"]), name=ad["name"], url=ad["url"]) for ad in row.ads),
        settings=row.settings,
    )


def replica_row(replica: ObservedReplica) -> dict[str, object]:
    """A row of published_replicas."""
    row = {
        "dataset": replica.dataset,
        "host": replica.host,
        "content": replica.content,
        "parts": list(replica.parts),
        "size": replica.size,
        "expires": replica.expires,
    }
    return _digested(row)


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


def _digested(row: dict[str, object]) -> dict[str, object]:
    return {**row, "digest": _row_digest(row)}


def _row_digest(row: Mapping[str, object]) -> Digest:
    return sha256_hex(canonical_json(cast("JsonObject", dict(row))))
