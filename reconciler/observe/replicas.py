"""Who keeps which bytes, in one call a storage host."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

from reconciler.model.errors import RefusedError, TransientError
from reconciler.model.ids import Digest, digest
from reconciler.model.json import JsonObject
from reconciler.model.observed import ObservedReplica
from reconciler.observe.catalog import LiveRecord
from reconciler.wire.uhrp import UhrpToken

_AT_ONCE: Final = 16
"""Look-ups on their way."""


class StorageListing(Protocol):
    """A storage host, as far as observing needs it."""

    async def listing(self) -> Mapping[Digest, int]:
        """What it keeps of ours: SHA-256 of the stored bytes to expiry (unix seconds)."""
        ...

    async def keeps(self, token: UhrpToken) -> bool:
        """Whether a token is this host's own, and what it promises is there."""
        ...


Locate: TypeAlias = Callable[[Digest], Awaitable[Sequence[UhrpToken]]]
"""Finds the promises to keep some bytes, whoever made them."""


async def read_replicas(
    records: Sequence[LiveRecord], *, storage: Mapping[str, StorageListing], locate: Locate
) -> tuple[tuple[ObservedReplica, ...], tuple[str, ...]]:
    """The copies of these records' content on the given hosts, and the names of hosts that did not answer."""
    parts = {part.sha256 for record in records if record.content is not None for part in record.content.parts}
    kept, silent = await read_listings(storage, parts, locate)
    replicas = [replica for record in records for replica in _copies(record, kept)]
    return tuple(replicas), silent


async def read_listings(
    storage: Mapping[str, StorageListing], parts: Collection[Digest], locate: Locate
) -> tuple[dict[str, Mapping[Digest, int]], tuple[str, ...]]:
    """What each storage host keeps of ours, and the names of those that did not answer.

    A host lists what was brought under this very key. Those `parts` that none lists, because they were brought before the key
    was rotated, are looked up by the tokens of the hosts; a token that promises what is gone does not count.
    """
    listings = await asyncio.gather(*(_listing(host) for host in storage.values()))
    kept = {name: listing for name, listing in zip(storage, listings, strict=True) if listing is not None}
    tokens = await _promised(sorted(set(parts).difference(*kept.values())) if kept else [], locate)
    for name, listing in kept.items():
        kept[name] = {**await _own(tokens, storage[name]), **listing}
    return kept, tuple(name for name in storage if name not in kept)


async def _promised(parts: Iterable[Digest], locate: Locate) -> list[UhrpToken]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(part: Digest) -> Sequence[UhrpToken]:
        async with gate:
            return await locate(part)

    return [token for tokens in await asyncio.gather(*map(one, parts)) for token in tokens]


async def _own(tokens: Iterable[UhrpToken], host: StorageListing) -> dict[Digest, int]:
    """The latest expiry of each file that a host has promised to keep, and does."""
    own = sorted([(token.expires, token.sha256) for token in tokens if await host.keeps(token)])
    return {sha256: expires for expires, sha256 in own}


async def _listing(host: StorageListing) -> Mapping[Digest, int] | None:
    try:
        return await host.listing()
    except (TransientError, RefusedError):  # told as silence by `read_replicas`
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
