"""What this machine believes is live, changed at the commit point only, as one outcome says (DESIGN §4.1, §4.3)."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, Select, delete, insert, literal_column, select, tuple_

from reconciler.model.errors import StateError
from reconciler.model.ids import Address, Digest, IdentityKey, Kind, Outpoint, RecordId, Txid, digest
from reconciler.model.observed import ObservedAd, ObservedRecord, ObservedReplica, ObservedRoot
from reconciler.store.batches import batches
from reconciler.store.catalog import Catalog
from reconciler.store.inserts import upsert
from reconciler.store.live import (
    ad_of,
    ad_row,
    generations,
    is_edited,
    outpoint_of,
    published_ads,
    published_records,
    published_replicas,
    published_root,
    record_of,
    record_row,
    replica_of,
    replica_row,
    root_of,
    root_row,
)
from reconciler.store.outcome import Outcome
from reconciler.store.works import Connection

_OUTPOINT: Final = select(published_root.c.txid, published_root.c.vout)
"""Made once, since every request of a server asks it."""
_ROWS: Final = 1000
"""That are hashed at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One state that was made live, or rebuilt, on this machine."""

    generation: int
    outpoint: Outpoint
    """Of its root."""
    state_root: Digest
    leaf_count: int
    written: int
    """Records that it created or updated."""
    deleted: int
    commit: str | None
    at: int
    """Unix seconds."""


class Published:
    """The live state, and the generations that led to it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def root(self) -> ObservedRoot | None:
        """The live root, or None where nothing has been published or rebuilt."""
        row = await self._root_row()
        return None if row is None else root_of(row)

    async def outpoint(self) -> Outpoint | None:
        """That of the live root, without the rest of it: enough to know whether anything has changed."""
        row = (await self._connection.execute(_OUTPOINT)).one_or_none()
        return None if row is None else outpoint_of(row)

    async def identity(self) -> IdentityKey | None:
        """Whose root is live."""
        row = await self._root_row()
        return None if row is None else IdentityKey(row.identity)

    async def records(self) -> dict[RecordId, ObservedRecord]:
        """All live records but the producer's own, in the order of their ids."""
        query = select(published_records).order_by(published_records.c.kind, published_records.c.name)
        found = (record_of(row, row.kind) for row in await self._connection.execute(query))
        return {record.id: record for record in found}

    async def made_by(self, txids: Iterable[Txid]) -> tuple[Outpoint, ...]:
        """The tokens of live records, the producer's included, that these transactions make: without reading what they say."""
        found: list[Outpoint] = []
        for batch in batches(txids):
            for table in (published_root, published_records):
                query = select(table.c.txid, table.c.vout).where(table.c.txid.in_(batch))
                found += map(outpoint_of, await self._connection.execute(query))
        return tuple(sorted(found))

    async def ads(self) -> tuple[ObservedAd, ...]:
        """The advertisements that the root lists, with their tokens, by protocol, name and URL."""
        order = (published_ads.c.protocol, published_ads.c.name, published_ads.c.url)
        return tuple(ad_of(row) for row in await self._connection.execute(select(published_ads).order_by(*order)))

    async def edited(self) -> tuple[Address, ...]:
        """The objects whose rows somebody else than an apply has changed. Rows that are gone are not among them."""
        root = await self._root_row()
        found = [Address.of_record(RecordId(Kind.PRODUCER, root.name))] if root is not None and is_edited(root) else []
        records = await self._connection.execute(select(published_records))
        found += (Address.of_record(RecordId(row.kind, row.name)) for row in records if is_edited(row))
        copies = await self._connection.execute(select(published_replicas))
        found += (Address.of_replica(row.dataset, row.host) for row in copies if is_edited(row))
        return tuple(sorted(found))

    async def fingerprint(self) -> Digest:
        """One digest over every row that tells what is live, as the database has it: equal ones, equal rows.

        None of them is read as what it means, so it takes a fraction of the time of `records`, `replicas` and `edited`.
        """
        hashing = hashlib.sha256()
        for table in (published_root, published_records, published_replicas):
            query: Select[Any] = select(literal_column("*")).select_from(table).order_by(*table.primary_key)
            result = await self._connection.execute(query)
            hashing.update(table.name.encode())
            for rows in result.partitions(_ROWS):
                hashing.update(repr([tuple(row) for row in rows]).encode())
        return digest(hashing.digest())

    async def replicas(self) -> tuple[ObservedReplica, ...]:
        """The copies that are known, by dataset and host."""
        query = select(published_replicas).order_by(published_replicas.c.dataset, published_replicas.c.host)
        return tuple(replica_of(row) for row in await self._connection.execute(query))

    async def generations(self, limit: int) -> tuple[Generation, ...]:
        """The last `limit` generations, newest first."""
        query = select(generations).order_by(generations.c.generation.desc()).limit(limit)
        return tuple(_generation(row) for row in await self._connection.execute(query))

    async def commit(self, outcome: Outcome) -> bool:
        """Make an outcome live: root, records, replicas, and the business tables that follow them.

        An outcome tells what differs from what is recorded; with nothing recorded (`clear`) it is the whole state. Returns
        False, and changes nothing, for a generation that was made live before. Raises StateError where the recorded
        generation is as high, but its history has another root.
        """
        root = outcome.root
        if root is None:
            await self.clear()
            await Catalog(self._connection).clear()
            return True
        live = await self.root()
        if live is not None and live.generation >= root.generation:
            if await self._was_live(root):
                return False
            raise StateError(
                f"generation {root.generation} cannot be made live: generation {live.generation} is, with another history",
                where=str(root.record.outpoint),
                hint="run `overlay state rebuild`",
            )
        await self._write_root(root, outcome.identity)
        await self._write_ads(outcome.ads)
        rows = [record_row(record) for record in outcome.upserts]
        await upsert(self._connection, published_records, rows, keys=["kind", "name"])
        await self._delete_records(outcome.deletes)
        await self._write_replicas(outcome.replicas, outcome.forgotten)
        await self._write_generation(root, outcome)
        datasets = {record.id.name for record in outcome.upserts if record.id.kind is Kind.DATASET}
        datasets |= _datasets(outcome.replicas, outcome.forgotten)
        await Catalog(self._connection).follow(outcome.identity, root, datasets, at=outcome.at)
        return True

    async def place(
        self, replicas: Sequence[ObservedReplica], forgotten: Sequence[tuple[str, str]] = (), *, at: int
    ) -> None:
        """Note copies that were made, renewed or found, and (dataset, host) of those that are gone, without a new root."""
        await self._write_replicas(replicas, forgotten)
        row = await self._root_row()
        if row is not None:
            datasets = _datasets(replicas, forgotten)
            await Catalog(self._connection).follow(IdentityKey(row.identity), root_of(row), datasets, at=at)

    async def clear(self) -> None:
        """Forget what is live, before it is rebuilt from the overlay. Generations are kept; so is what business tables count."""
        for table in (published_root, published_records, published_replicas, published_ads):
            await self._connection.execute(delete(table))

    async def _root_row(self) -> Row[Any] | None:
        return (await self._connection.execute(select(published_root))).one_or_none()

    async def _was_live(self, root: ObservedRoot) -> bool:
        query = select(generations).where(generations.c.generation == root.generation)
        row = (await self._connection.execute(query)).one_or_none()
        return row is not None and outpoint_of(row) == root.record.outpoint

    async def _write_root(self, root: ObservedRoot, identity: IdentityKey) -> None:
        await self._connection.execute(delete(published_root))
        await self._connection.execute(insert(published_root), [root_row(root, identity)])

    async def _delete_records(self, records: Iterable[RecordId]) -> None:
        names: defaultdict[Kind, list[str]] = defaultdict(list)
        for record in records:
            names[record.kind].append(record.name)
        columns = published_records.c
        for kind, named in names.items():
            for batch in batches(named):
                gone = delete(published_records).where(columns.kind == kind, columns.name.in_(batch))
                await self._connection.execute(gone)

    async def _write_replicas(self, replicas: Sequence[ObservedReplica], forgotten: Sequence[tuple[str, str]]) -> None:
        key = tuple_(published_replicas.c.dataset, published_replicas.c.host)
        for batch in batches(forgotten):
            named = published_replicas.c.dataset.in_(
                {dataset for dataset, _ in batch}
            )  # SQLite's index is found by this
            await self._connection.execute(delete(published_replicas).where(named, key.in_(batch)))
        rows = [replica_row(replica) for replica in replicas]
        await upsert(self._connection, published_replicas, rows, keys=["dataset", "host"])

    async def place_ads(self, ads: Sequence[ObservedAd]) -> None:
        """Note the tokens of the advertisements that the root lists, without a new root."""
        await self._write_ads(ads)

    async def _write_ads(self, ads: Sequence[ObservedAd]) -> None:
        await self._connection.execute(delete(published_ads))
        if ads:
            await self._connection.execute(insert(published_ads), [ad_row(ad) for ad in ads])

    async def _write_generation(self, root: ObservedRoot, outcome: Outcome) -> None:
        # Those at or above it belong to a history that lost (PROTOCOL §4).
        await self._connection.execute(delete(generations).where(generations.c.generation >= root.generation))
        row = {
            "generation": root.generation,
            "txid": root.record.outpoint.txid,
            "vout": root.record.outpoint.vout,
            "state_root": root.state_root,
            "leaf_count": root.leaf_count,
            "written": len(outcome.upserts),
            "deleted": len(outcome.deletes),
            "commit_id": outcome.commit,
            "at": outcome.at,
        }
        await self._connection.execute(insert(generations), [row])


def _datasets(replicas: Iterable[ObservedReplica], forgotten: Iterable[tuple[str, str]]) -> set[str]:
    return {replica.dataset for replica in replicas} | {dataset for dataset, _ in forgotten}


def _generation(row: Row[Any]) -> Generation:
    return Generation(
        generation=row.generation,
        outpoint=outpoint_of(row),
        state_root=Digest(row.state_root),
        leaf_count=row.leaf_count,
        written=row.written,
        deleted=row.deleted,
        commit=row.commit_id,
        at=row.at,
    )
