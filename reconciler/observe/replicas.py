"""Who keeps which bytes, in one call a storage host."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from reconciler.model.errors import RefusedError, TransientError
from reconciler.model.ids import Digest, digest
from reconciler.model.json import JsonObject
from reconciler.model.observed import ObservedReplica
from reconciler.observe.catalog import LiveRecord


class StorageListing(Protocol):
    """A storage host, as far as observing needs it."""

    async def listing(self) -> Mapping[Digest, int]:
        """What it keeps of ours: SHA-256 of the stored bytes to expiry (unix seconds)."""
        ...


async def read_replicas(
    records: Sequence[LiveRecord], *, storage: Mapping[str, StorageListing]
) -> tuple[tuple[ObservedReplica, ...], tuple[str, ...]]:
    """The copies of these records' content on the given hosts, and the names of hosts that did not answer."""
    kept, silent = await read_listings(storage)
    replicas = [replica for record in records for replica in _copies(record, kept)]
    return tuple(replicas), silent


async def read_listings(
    storage: Mapping[str, StorageListing],
) -> tuple[dict[str, Mapping[Digest, int]], tuple[str, ...]]:
    """What each storage host keeps of ours, and the names of those that did not answer."""
    listings = await asyncio.gather(*(_listing(host) for host in storage.values()))
    kept = {name: listing for name, listing in zip(storage, listings, strict=True) if listing is not None}
    return kept, tuple(name for name in storage if name not in kept)


async def _listing(host: StorageListing) -> Mapping[Digest, int] | None:
    try:
        return await host.listing()
    except (TransientError, RefusedError):
        return None


def _copies(record: LiveRecord, kept: Mapping[str, Mapping[Digest, int]]) -> Iterator[ObservedReplica]:
    plaintext = _plaintext(record.observed.sealed)
    if record.content is None or plaintext is None:
        return
    parts = tuple(part.sha256 for part in record.content.parts)
    for host, listing in kept.items():
        if all(part in listing for part in parts):
            yield ObservedReplica(
                dataset=record.observed.id.name,
                host=host,
                content=plaintext,
                parts=parts,
                size=sum(part.size for part in record.content.parts),
                expires=min(listing[part] for part in parts),
            )


def _plaintext(sealed: JsonObject) -> Digest | None:
    match sealed.get("content"):
        case {"sha256": str(text)}:
            return digest(text)
        case _:
            return None
