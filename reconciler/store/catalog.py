"""Keeps the business tables in step with what is live: producer, content, and where copies of it lie.

Only what an apply knows is written. Counters, scores and the time of creation belong to those who count, and stay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import delete, exists, func, or_, select, update

from reconciler.model.ids import IdentityKey, Kind
from reconciler.model.json import Json, JsonObject
from reconciler.model.observed import ObservedRecord, ObservedReplica, ObservedRoot
from reconciler.store.batches import batches
from reconciler.store.inserts import upsert
from reconciler.store.live import published_records, published_replicas, record_of, replica_of
from reconciler.store.producer import (
    RevenueStatus,
    content_distribution,
    producer_identities,
    producer_revenue,
    published_content,
)
from reconciler.store.works import Connection


class Catalog:
    """The producer's catalog in producer_identities, published_content and content_distribution."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def follow(self, identity: IdentityKey, root: ObservedRoot, datasets: Iterable[str], *, at: int) -> None:
        """Bring these tables in step with published_root, and with published_records and _replicas for `datasets`.

        Content that is not live any more goes, whether it is named or not. `at` is in unix seconds.
        """
        await upsert(
            self._connection, producer_identities, [_identity_row(identity, root.record, at)], keys=["producer_id"]
        )
        await self._prune()
        for names in batches(sorted(frozenset(datasets))):
            await self._write(identity, names, at)

    async def clear(self) -> None:
        """Nothing is published any more."""
        await self._connection.execute(delete(content_distribution))
        await self._connection.execute(delete(published_content))

    async def _write(self, identity: IdentityKey, names: Sequence[str], at: int) -> None:
        records, replicas = published_records.c, published_replicas
        live = select(published_records).where(records.kind == Kind.DATASET, records.name.in_(names))
        datasets = [record_of(row, Kind.DATASET) for row in await self._connection.execute(live)]
        copies: defaultdict[str, list[ObservedReplica]] = defaultdict(list)
        stored = select(replicas).where(replicas.c.dataset.in_(names)).order_by(replicas.c.dataset, replicas.c.host)
        for row in await self._connection.execute(stored):
            copies[row.dataset].append(replica_of(row))
        contents = [_content_row(identity, record, copies[record.id.name], at) for record in datasets]
        places = [_place_row(record, copy, at) for record in datasets for copy in copies[record.id.name]]
        new = await self._new(contents)
        await upsert(self._connection, published_content, contents, keys=["content_id"])
        await self._recall(new)
        await upsert(self._connection, content_distribution, places, keys=["distribution_id"])

    async def _new(self, contents: Sequence[dict[str, object]]) -> list[object]:
        wanted = [row["content_id"] for row in contents]
        known = select(published_content.c.content_id).where(published_content.c.content_id.in_(wanted))
        return sorted(set(wanted) - set(await self._connection.scalars(known)), key=str)

    async def _recall(self, contents: Sequence[object]) -> None:
        """A name that comes back has earned what was earned by it before."""
        if not contents:
            return
        content, revenue = published_content.c, producer_revenue.c
        earned = (
            select(func.coalesce(func.sum(revenue.amount_satoshis), 0))
            .where(revenue.content_id == content.content_id, revenue.payment_status == RevenueStatus.EARNED)
            .scalar_subquery()
        )
        recalled = update(published_content).where(content.content_id.in_(contents))
        await self._connection.execute(recalled.values(total_revenue_satoshis=earned))

    async def _prune(self) -> None:
        content, places = published_content.c, content_distribution.c
        records, replicas = published_records.c, published_replicas.c
        is_live = exists().where(records.kind == Kind.DATASET, records.name == content.name)
        is_kept = exists().where(replicas.dataset == content.name, replicas.host == places.overlay_node_id)
        gone = (
            select(places.distribution_id)
            .join(published_content, content.content_id == places.content_id)
            .where(or_(~is_live, ~is_kept))
        )
        await self._connection.execute(delete(content_distribution).where(places.distribution_id.in_(gone)))
        await self._connection.execute(delete(published_content).where(~is_live))


def _identity_row(identity: IdentityKey, producer: ObservedRecord, at: int) -> dict[str, object]:
    public = producer.public
    return {
        "producer_id": identity,
        "identity_key": identity,
        "name": producer.id.name,
        "display_name": _text(public, "displayName") or producer.id.name,
        "description": _text(public, "description"),
        "contact_info": public.get("contact") or {},
        "capabilities": public.get("capabilities") or [],
        "geographic_regions": public.get("regions") or [],
        "updated_at": at,
    }


def _content_row(
    identity: IdentityKey, dataset: ObservedRecord, copies: Sequence[ObservedReplica], at: int
) -> dict[str, object]:
    public = dataset.public
    stored = copies[0].parts if copies else ()
    return {
        "content_id": str(dataset.id),
        "producer_id": identity,
        "name": dataset.id.name,
        "uhrp_hash": stored[0] if stored else None,
        "title": _text(public, "title") or dataset.id.name,
        "description": _text(public, "description"),
        "content_type": _text(public, "mediaType") or "application/octet-stream",
        "file_size_bytes": _size(dataset.sealed),
        "tags": public.get("tags") or [],
        "pricing": public.get("pricing") or {},
        "license_type": _text(public, "license"),
        "brc22_transaction_id": dataset.outpoint.txid,
        "distribution_nodes": [copy.host for copy in copies],
        "updated_at": at,
    }


def _place_row(dataset: ObservedRecord, copy: ObservedReplica, at: int) -> dict[str, object]:
    return {
        "distribution_id": f"{copy.dataset}@{copy.host}",
        "content_id": str(dataset.id),
        "overlay_node_id": copy.host,
        "distribution_status": "available",
        "last_sync_at": at,
    }


def _text(fields: JsonObject, name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) else None


def _size(sealed: JsonObject) -> int | None:
    """Of the plaintext: model.desired puts it into `sealed["content"]`."""
    content: Json = sealed.get("content")
    size = content.get("size") if isinstance(content, Mapping) else None
    return size if isinstance(size, int) else None
