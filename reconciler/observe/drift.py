"""Where an object that is ours and live is not told as the last apply left it: our own rows, hosts, storage hosts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from reconciler.model.errors import RefusedError, TransientError
from reconciler.model.ids import Address, IdentityKey, Outpoint
from reconciler.model.observed import Drifted, DriftPlace, ObservedAd, Snapshot
from reconciler.observe.ads import AdReadings
from reconciler.observe.catalog import Catalog
from reconciler.observe.replicas import Locate, StorageListing, read_listings
from reconciler.observe.roots import SERVICE, CatalogHost
from reconciler.observe.unfinished import Live


def drifted_rows(live: Live, edited: Sequence[Address], catalog: Catalog) -> tuple[Drifted, ...]:
    """The objects whose rows were edited or are missing, held against the true state as a host gave it."""
    addresses = {Address.of_record(record.observed.id) for record in catalog.records}
    addresses.add(Address.of_record(catalog.root.record.id))
    there = {Address.of_record(record) for record in live.records}
    there |= {Address.of_record(live.root.record.id)} if live.root else set()
    missing = sorted(addresses - there)
    known = addresses | {Address.of_replica(copy.dataset, copy.host) for copy in live.replicas}
    return (
        *(_row(address, "the row was edited") for address in edited if address in known),
        *(_row(address, "the row is missing") for address in missing),
    )


def unlisted_ads(recorded: Iterable[ObservedAd], ads: AdReadings, *, owed: Collection[str]) -> tuple[Drifted, ...]:
    """The advertisements that a tracker should list and does not; those that are `owed` deliveries need not yet."""
    return tuple(
        Drifted(
            object=Address.of_ad(ad.protocol, ad.name),
            place=DriftPlace.OVERLAY,
            detail=f"{tracker} does not list it",
        )
        for tracker in sorted(ads.trackers.difference(owed))
        for ad in recorded
        if ad.outpoint not in ads.shown(tracker)
    )


def _row(address: Address, detail: str) -> Drifted:
    return Drifted(object=address, place=DriftPlace.DATABASE, detail=detail)


async def refreshed(
    snapshot: Snapshot,
    *,
    hosts: Mapping[str, CatalogHost],
    storage: Mapping[str, StorageListing],
    locate: Locate,
    owed: Collection[str],
) -> tuple[Snapshot, tuple[str, ...]]:
    """The snapshot after a look at everything: what a host does not list is drift, a copy that is not kept is gone.

    Hosts that are `owed` deliveries are not expected to list what they were not given yet.
    """
    drifted: list[Drifted] = []
    doubts: list[str] = []
    for name, host in hosts.items():
        if name in owed:
            continue
        listed = await _listed(host, snapshot.identity)
        if listed is None:
            doubts.append(f"{name} does not say what it lists")
        else:
            drifted += _unlisted(snapshot, listed, name)
    parts = {part for copy in snapshot.replicas for part in copy.parts}
    kept, silent = await read_listings(storage, parts, locate)
    doubts += (f"storage host {name} does not say what it keeps" for name in silent)
    replicas = tuple(
        copy
        for copy in snapshot.replicas
        if copy.host not in kept or all(part in kept[copy.host] for part in copy.parts)
    )
    return replace(snapshot, replicas=replicas, drifted=(*snapshot.drifted, *drifted)), tuple(doubts)


async def _listed(host: CatalogHost, identity: IdentityKey) -> frozenset[Outpoint] | None:
    """None where the host keeps no catalog or does not answer."""
    try:
        if SERVICE not in await host.services():
            return None
        found = await host.lookup(SERVICE, {"producer": identity})
    except (TransientError, RefusedError):
        return None
    return frozenset(output.outpoint for output in found)


def _unlisted(snapshot: Snapshot, listed: frozenset[Outpoint], host: str) -> Iterator[Drifted]:
    for address, outpoint in _tokens(snapshot):
        if outpoint not in listed:
            yield Drifted(object=address, place=DriftPlace.OVERLAY, detail=f"{host} does not list it")


def _tokens(snapshot: Snapshot) -> Iterable[tuple[Address, Outpoint]]:
    if snapshot.root is not None:
        yield Address.of_record(snapshot.root.record.id), snapshot.root.record.outpoint
    for record in snapshot.records.values():
        yield Address.of_record(record.id), record.outpoint
