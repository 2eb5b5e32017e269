"""`state rebuild`: everything that the overlay, the chain and the key give back, without a manifest (PROTOCOL §5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reconciler.apply.receiving import receive_unspent
from reconciler.chain.index import AddressIndex
from reconciler.control.binding import bind, check_identity
from reconciler.control.rebuild import Rebuilt, refill, write_down
from reconciler.control.revenue import Collected, Revenue
from reconciler.control.world import World
from reconciler.model.amounts import Satoshis
from reconciler.model.desired import StorageHost
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Outpoint
from reconciler.model.json import Json, JsonObject
from reconciler.model.networks import ENDPOINTS
from reconciler.observe.ads import LiveAd, check_complete, purses, read_ads
from reconciler.observe.beyond import spent_of
from reconciler.observe.catalog import Catalog
from reconciler.observe.pending import locked
from reconciler.observe.replicas import read_replicas
from reconciler.observe.roots import read_roots
from reconciler.observe.snapshot import catalog_of
from reconciler.store.database import Database
from reconciler.store.journal import Journal
from reconciler.wallet.keys import Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came back. `received` are satoshis found at the wallet's address, or settled by the gateway; `doubts` are sentences about what did not."""

    rebuilt: Rebuilt
    received: int
    doubts: tuple[str, ...]


async def restore(
    *,
    world: World,
    database: Database,
    keys: Keys,
    index: AddressIndex,
    clock: Callable[[], float],
    randomness: Callable[[int], bytes],
) -> Restored:
    """Read the published state back and write it down, whatever was recorded before; then the coins, then our own host.

    Raises UnreachableError where no host shows a root, or trackers do not say what it advertises, VerificationError where a
    listing does not add up, StateError for a database of another network or identity.
    """
    now = int(clock())
    await check_identity(database, keys.identity)
    await bind(database, network=world.network, network_id=await world.headers.network_id(), identity=keys.identity)
    async with database.begin() as connection:
        void = await Journal(connection).void()
    readings = await read_roots(keys.identity, hosts=world.outside, verifier=world.headers, now=now, void=void)
    if readings.newest is not None and readings.newest.document.pending is not None:
        raise locked(readings.newest, keys, now=now)
    catalog = await catalog_of(readings, hosts=world.outside, keys=keys, verifier=world.headers, now=now)
    rebuilt, doubted = await take_in(catalog, world=world, database=database, keys=keys, iv=randomness(32), now=now)
    received, doubts = await receive_unspent(
        index, keys=keys, network=world.network, database=database, verifier=world.headers, now=now
    )
    settled = await _settled(catalog, world=world, database=database, keys=keys, index=index, clock=clock)
    await refill(catalog, world.own)
    return Restored(
        rebuilt=rebuilt,
        received=received + settled.satoshis,
        doubts=(*readings.faults, *doubted, *doubts, *settled.doubts),
    )


async def _settled(
    catalog: Catalog, *, world: World, database: Database, keys: Keys, index: AddressIndex, clock: Callable[[], float]
) -> Collected:
    """What the gateway has settled to this identity, since ever."""
    url = catalog.live.document.keys.gateway_url
    if url is None:
        return Collected(Satoshis(0), ())
    revenue = Revenue(
        url=url, http=world.http, keys=keys, database=database, verifier=world.headers, index=index, clock=clock
    )
    return await revenue.collect(catalog.root.gateway_key, everything=True)


async def take_in(
    catalog: Catalog, *, world: World, database: Database, keys: Keys, iv: bytes, now: int
) -> tuple[Rebuilt, tuple[str, ...]]:
    """Make a catalog the recorded state, with its copies and advertisements; sentences say who could not be asked for those.

    Raises UnreachableError where trackers do not say what it advertises, StalePlanError where the root is spent already.
    """
    identity = catalog.live.document.producer
    # A gateway with a key of its own has brought nothing: where content lies is asked when somebody wants it.
    hosts = storage_hosts(catalog.state.producer, world) if keys.identity == identity else ()
    replicas, silent = await read_replicas(
        catalog.records, storage=world.storage(hosts, keys), locate=world.locate(now)
    )
    ads = await read_ads(
        identity, hosts=world.outside, verifier=world.headers, now=now, plain_http=world.network.is_toy
    )
    check_complete(ads, catalog.root.ads)
    spent, doubts = await _spent(catalog, ads.distinct, keys, world) if keys.identity == identity else (frozenset(), ())
    rebuilt = await write_down(
        catalog, replicas, ads.distinct, database=database, keys=keys, iv=iv, now=now, spent=spent
    )
    silence = tuple(f"storage host {name} does not say what it keeps" for name in silent)
    return rebuilt, (*silence, *ads.doubts, *doubts)


async def _spent(
    catalog: Catalog, ads: Sequence[LiveAd], keys: Keys, world: World
) -> tuple[frozenset[Outpoint], tuple[str, ...]]:
    coins = [*(change.outpoint for change in catalog.change), *(purse.outpoint for purse in purses(ads, keys))]
    return await spent_of(catalog, coins, world.index)


def storage_hosts(producer: JsonObject, world: World) -> tuple[StorageHost, ...]:
    """The storage hosts that the Producer's sealed fields name, else the network's."""
    named = producer.get("storageHosts")
    if not isinstance(named, Sequence) or isinstance(named, str):
        return ENDPOINTS[world.network].storage
    return tuple(_storage_host(each) for each in named)


def _storage_host(value: Json) -> StorageHost:
    match value:
        case {"name": str(name), "url": str(url), **rest}:
            return StorageHost(name=name, url=url, region=str(rest.get("region", "")))
        case _:
            raise VerificationError("the root's sealed document names a storage host without name and url")
