"""Putting one snapshot together, and deciding what "recorded" and "live" mean when they differ (DESIGN §4.1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from reconciler.model.amounts import FeeRate
from reconciler.model.errors import StateError, UnreachableError
from reconciler.model.ids import Digest, IdentityKey, Outpoint, Txid
from reconciler.model.keys import FUNDING_KEY
from reconciler.model.observed import (
    Answer,
    Coin,
    CoinStatus,
    ListedAd,
    Snapshot,
    coin_order,
)
from reconciler.observe.ads import AdReadings, check_complete, merged, purses, read_ads
from reconciler.observe.beyond import Beyond, ChainIndex, SpendIndex, follow, spent_of
from reconciler.observe.catalog import Catalog, LiveRecord, read_catalog
from reconciler.observe.drift import drifted_rows, refreshed, unlisted_ads
from reconciler.observe.pending import locked
from reconciler.observe.recorded import Recorded, is_under_way, recorded
from reconciler.observe.replicas import Locate, StorageListing, read_replicas
from reconciler.observe.roots import CatalogHost, LiveRoot, RootReadings, read_roots
from reconciler.observe.succession import read_succession
from reconciler.observe.unfinished import said
from reconciler.store.coins import Coins
from reconciler.store.database import Database
from reconciler.wallet.keys import Keys
from reconciler.wire.spv import Verifier
from reconciler.wire.state_root import Leaf, state_root


class OutsideHost(CatalogHost, Protocol):
    """A host that is not ours: it may keep the catalog, and be a tracker."""

    async def topics(self) -> frozenset[str]:
        """The topics that it lists."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A snapshot, what it rests on, and what a newcomer to this state must first write down."""

    snapshot: Snapshot
    readings: RootReadings
    rebuilt: Catalog | None
    """Set where the live state is not the recorded one and was read from a host: apply persists it first."""
    mends: bool
    """Whether only rows were damaged: what is recorded of coins and advertisements still holds."""
    ads: AdReadings | None
    """What trackers showed, where they were asked."""
    warnings: tuple[str, ...]
    spent: frozenset[Outpoint] = frozenset()
    """Coins that hosts and trackers lead to, and that are spent already."""
    untold: tuple[Txid, ...] = ()
    """Transactions that no host has been told of, in their order; what is to be taken back builds on them."""
    fingerprint: Digest
    """Of the rows that the recorded state was read from."""
    is_unread: bool = False
    """Whether they are those that were trusted, so that the snapshot has neither records nor copies: nobody may look at them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How closely to look at the world."""

    wanted_ads: frozenset[ListedAd] = frozenset()
    """Trackers are asked where the manifests want others than the live root lists."""
    refresh: bool = False
    """Read everything, in bulk: what hosts, trackers and storage hosts really list."""
    gives_back: bool = False
    """Whether the root is to be taken back from an apply that does not come back: one that left it pending, or told no host."""
    plain_http: bool = False
    """Whether advertisements may name this machine: toy networks."""
    trusted: Digest | None = None
    """The fingerprint of rows that were found before to be as an apply wrote them, and need not be read again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observer:
    """Whom one producer's world is read from. `now` is in unix seconds."""

    database: Database
    keys: Keys
    hosts: Mapping[str, OutsideHost]
    storage: Mapping[str, StorageListing]
    locate: Locate
    verifier: Verifier
    index: ChainIndex
    now: int

    async def observe(
        self, look: Look, *, network_id: Digest, fee_rate: FeeRate, funding_address: str, source: str
    ) -> Observation:
        """Read the world once.

        Raises UnreachableError where nobody can say what is live, StateError where our database belongs to another world or
        every host denies what it has recorded.
        """
        known, readings = await self._first_look(look, network_id)
        is_foreign, warnings = _decide(known, readings)
        if readings.newest is not None and _is_held(known, readings.newest) and not look.gives_back:
            raise locked(readings.newest, self.keys, now=self.now)
        is_foreign = is_foreign or look.gives_back or bool(readings.rivals)
        is_damaged = _is_damaged(known)
        world = Snapshot(
            identity=self.keys.identity,
            root=None,
            fee_rate=fee_rate,
            funding_address=funding_address,
            readings=readings.readings,
            rivals=tuple(sorted(rival.outpoint for rival in readings.rivals)),
            source=source,
            now=self.now,
        )
        snapshot = _as_recorded(world, known, is_damaged=is_damaged)
        found: Found | None = None
        if is_foreign or (is_damaged and readings.newest is not None):
            found = await self._published(readings, known, gives_back=look.gives_back)
            snapshot, silent = await _as_of(snapshot, found.catalog, self.storage, self.locate)
            warnings += (*found.warnings, *silent)
            if not is_foreign:
                drifted = drifted_rows(known.live, known.edited, found.catalog)
                snapshot = replace(snapshot, drifted=drifted, ads=known.live.ads, coins=known.live.coins)
        if look.refresh and snapshot.root is not None:
            snapshot, doubts = await refreshed(
                snapshot, hosts=self.hosts, storage=self.storage, locate=self.locate, owed=known.owed
            )
            warnings += tuple(doubt for doubt in doubts if doubt not in warnings)
        snapshot, ads = await self._with_ads(snapshot, look, known, is_foreign=is_foreign)
        warnings += () if ads is None else ads.doubts
        spent: frozenset[Outpoint] = frozenset()
        if is_foreign and found is not None:
            spent, doubts = await _spent(snapshot, found.catalog, self.database, self.index)
            warnings += doubts
            snapshot = replace(snapshot, coins=tuple(coin for coin in snapshot.coins if coin.outpoint not in spent))
        return Observation(
            snapshot=snapshot,
            readings=readings,
            rebuilt=None if found is None else found.catalog,
            mends=found is not None and not is_foreign,
            ads=ads,
            warnings=(*said(known.unfinished, known.bound), *warnings),
            spent=spent,
            untold=() if found is None else found.untold,
            fingerprint=known.fingerprint,
            is_unread=known.is_unread,
        )

    async def _first_look(self, look: Look, network_id: Digest) -> tuple[Recorded, RootReadings]:
        """What is recorded, and what hosts show as the root; rows that are trusted are read where the two are not the same."""
        known = await recorded(self.database, look.trusted)
        _same_world(known, network_id)
        readings = await self._roots(known)
        is_foreign, _ = _decide(known, readings)
        if known.is_unread and (is_foreign or look.refresh or look.gives_back or readings.rivals):
            known = await recorded(self.database)
        return known, readings

    async def _roots(self, known: Recorded) -> RootReadings:
        """What every host shows as the live root. Raises StateError where another key took over."""
        identity, void = self.keys.identity, known.void
        readings = await read_roots(identity, hosts=self.hosts, verifier=self.verifier, now=self.now, void=void)
        await _not_rotated_away(readings, identity, hosts=self.hosts, verifier=self.verifier, now=self.now, void=void)
        return readings

    async def _published(self, readings: RootReadings, known: Recorded, *, gives_back: bool) -> Found:
        """The state under the newest root that was shown; where it is to be given back, what only the chain knows of it."""
        catalog = await catalog_of(readings, hosts=self.hosts, keys=self.keys, verifier=self.verifier, now=self.now)
        if not gives_back:
            return Found(catalog=catalog)
        followed = await follow(catalog, index=self.index, keys=self.keys, verifier=self.verifier, now=self.now)
        beyond = _taken_back(known, followed)
        return Found(
            catalog=beyond.catalog,
            untold=beyond.untold,
            warnings=tuple(_replaced(record) for record in beyond.replaced),
        )

    async def _with_ads(
        self, snapshot: Snapshot, look: Look, known: Recorded, *, is_foreign: bool
    ) -> tuple[Snapshot, AdReadings | None]:
        """The snapshot with what trackers show, where they need be asked."""
        if not (look.refresh or is_foreign) and _ads_settled(look, snapshot):
            return snapshot, None
        ads = await read_ads(
            self.keys.identity, hosts=self.hosts, verifier=self.verifier, now=self.now, plain_http=look.plain_http
        )
        snapshot = _with_foreign_ads(snapshot, ads, self.keys) if is_foreign else _with_shown_ads(snapshot, ads)
        if look.refresh or not is_foreign:
            snapshot = _with_unlisted(snapshot, ads, owed=known.owed)
        return snapshot, ads


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A published state that was read from a host."""

    catalog: Catalog
    untold: tuple[Txid, ...] = ()
    """See Observation."""
    warnings: tuple[str, ...] = ()


def _as_recorded(world: Snapshot, known: Recorded, *, is_damaged: bool) -> Snapshot:
    """The snapshot with what our own database says is live."""
    return replace(
        world,
        root=known.live.root,
        records=known.live.records,
        replicas=known.live.replicas,
        settings=known.live.root.settings if known.live.root else {},
        ads=known.live.ads,
        coins=known.live.coins,
        paid=known.live.paid,
        strays=() if is_damaged else known.strays,
    )


def _with_unlisted(snapshot: Snapshot, ads: AdReadings, *, owed: Collection[str]) -> Snapshot:
    """The snapshot with the advertisements that trackers should show and do not."""
    ours = [ad for ad in snapshot.ads if ad.is_recorded]
    return replace(snapshot, drifted=(*snapshot.drifted, *unlisted_ads(ours, ads, owed=owed)))


def _taken_back(known: Recorded, beyond: Beyond) -> Beyond:
    """Raises StateError where nothing is held by anybody, or by this machine itself, which finishes what it began."""
    shown, unspent = beyond.catalog.live, beyond.catalog.token.outpoint
    is_held = shown.document.pending is not None or shown.outpoint != unspent
    if not is_held or shown.outpoint.txid in known.locks:
        raise StateError("no apply of another machine holds the root", hint="there is nothing to give back")
    return beyond


def _replaced(record: LiveRecord) -> str:
    return f"{record.observed.id} was replaced by the apply that is lost; the next one publishes it anew"


async def _spent(
    snapshot: Snapshot, catalog: Catalog, database: Database, index: SpendIndex
) -> tuple[frozenset[Outpoint], tuple[str, ...]]:
    """The coins of a state read from hosts that are spent already, as our own books and the chain's index know (PROTOCOL §5)."""
    coins = [coin.outpoint for coin in snapshot.coins]
    async with database.begin() as connection:
        taken = await Coins(connection).taken(coins)
    spent, doubts = await spent_of(catalog, (outpoint for outpoint in coins if outpoint not in taken), index)
    return spent | taken, doubts


async def _not_rotated_away(
    readings: RootReadings,
    identity: IdentityKey,
    *,
    hosts: Mapping[str, OutsideHost],
    verifier: Verifier,
    now: int,
    void: Collection[Txid],
) -> None:
    """Raises StateError where another key took over: this one has no root any more, and is to have no new one."""
    if readings.newest is not None:
        return
    found = await read_succession(identity, hosts=hosts, verifier=verifier, now=now, void=void)
    if found is not None:
        raise StateError(
            f"this identity key was rotated away: {found.heir} took over",
            where=str(found.root),
            hint="let identity.key name that key",
        )


def _ads_settled(look: Look, snapshot: Snapshot) -> bool:
    """Whether the manifests want what the root lists, and a token of each is recorded: then no tracker need be asked."""
    listed = set(snapshot.root.ads if snapshot.root else ())
    recorded_ads = {ListedAd(protocol=ad.protocol, name=ad.name, url=ad.url) for ad in snapshot.ads}
    return look.wanted_ads == listed == recorded_ads


def _is_damaged(known: Recorded) -> bool:
    """Whether rows were edited, or records do not add up to the root that is recorded with them."""
    root = known.root
    if root is None or known.is_unread or is_under_way(known.unfinished):
        return bool(known.edited)
    leaves = [Leaf(record.id, record.document_hash) for record in known.live.records.values()]
    return bool(known.edited) or state_root(leaves) != root.state_root


def _with_shown_ads(snapshot: Snapshot, ads: AdReadings) -> Snapshot:
    """The snapshot with what trackers show beside what is recorded."""
    return replace(snapshot, ads=merged(snapshot.ads, ads.distinct))


def _with_foreign_ads(snapshot: Snapshot, ads: AdReadings, keys: Keys) -> Snapshot:
    """The snapshot of a state that is not the recorded one: nothing that trackers show is news, the purse is among the coins.

    Raises UnreachableError where they do not show enough.
    """
    listed = set(snapshot.root.ads if snapshot.root else ())
    check_complete(ads, listed)
    found = tuple(
        ad.observed(is_recorded=ListedAd(protocol=ad.found.protocol, name=ad.found.name, url=ad.found.url) in listed)
        for ad in ads.distinct
    )
    purse = (
        Coin(outpoint=each.outpoint, satoshis=each.output.satoshis, key=each.key, status=CoinStatus.PENDING)
        for each in purses(ads.distinct, keys)
    )
    coins = tuple(sorted({coin.outpoint: coin for coin in (*purse, *snapshot.coins)}.values(), key=coin_order))
    return replace(snapshot, ads=found, coins=coins)


async def catalog_of(
    readings: RootReadings, *, hosts: Mapping[str, CatalogHost], keys: Keys, verifier: Verifier, now: int
) -> Catalog:
    """The published state under the newest root that was shown. Raises UnreachableError where none was."""
    if readings.newest is None:
        raise UnreachableError("no host shows a root of this identity", hint="check --network, and that hosts are up")
    host = hosts[readings.newest.host]
    return await read_catalog(
        readings.newest,
        host=host,
        keys=keys,
        verifier=verifier,
        now=now,
        void=readings.void,
        rivals=readings.rivals,
        lineage=readings.lineage,
    )


def _same_world(known: Recorded, network_id: Digest) -> None:
    if known.root is not None and known.root.network_id != network_id:
        raise StateError(
            "the recorded state belongs to another chain than the one that answers",
            hint="the embedded world was reset, or the network preset changed; `overlay state rebuild` starts over from it",
        )


def _decide(known: Recorded, readings: RootReadings) -> tuple[bool, tuple[str, ...]]:
    """Whether the live state must be read from a host, and what to warn of."""
    warnings = readings.faults
    silent = [reading.host for reading in readings.readings if reading.answer is Answer.UNREACHABLE]
    if silent:
        warnings += (f"no answer from {', '.join(silent)}",)
    newest = readings.newest
    if newest is None:
        denying = {reading.host for reading in readings.readings if reading.answer is Answer.NONE} - known.owed
        if known.root is None or (known.owed and not denying):
            return False, warnings
        if not readings.readings:
            return False, (*warnings, "no host keeps the catalog: what is recorded here is taken for live")
        if denying and not silent:
            raise StateError(
                f"every host says that this identity has no root, but generation {known.root.generation} is recorded",
                hint="evicted, or another world: check --network; nothing is created over recorded state",
            )
        raise UnreachableError("no host could say which root is live", hint="try again when one of them answers")
    if known.root is None:
        return newest.outpoint.txid not in known.locks, warnings
    if newest.outpoint == known.root.record.outpoint or newest.outpoint.txid in known.locks:
        return False, warnings
    if newest.document.generation < known.root.generation:
        return False, (*warnings, f"{newest.host} still shows generation {newest.document.generation}")
    return True, warnings


def _is_held(known: Recorded, newest: LiveRoot) -> bool:
    """Whether somebody else has made the root pending. What this machine has begun, it finishes."""
    is_past = known.root is not None and known.root.generation > newest.document.generation
    return newest.document.pending is not None and newest.outpoint.txid not in known.locks and not is_past


async def _as_of(
    snapshot: Snapshot, catalog: Catalog, storage: Mapping[str, StorageListing], locate: Locate
) -> tuple[Snapshot, tuple[str, ...]]:
    replicas, silent = await read_replicas(catalog.records, storage=storage, locate=locate)
    received = (coin for coin in snapshot.coins if coin.key == FUNDING_KEY and coin.outpoint not in catalog.spent)
    seen = replace(
        snapshot,
        root=catalog.root,
        records={record.observed.id: record.observed for record in catalog.records},
        replicas=replicas,
        settings=catalog.root.settings,
        ads=(),
        coins=tuple(sorted((*rebuilt_coins(catalog), *received), key=coin_order)),
        strays=tuple(sorted(stray.outpoint for stray in catalog.strays)),
    )
    return seen, tuple(f"storage host {name} does not say what it keeps" for name in silent)


def rebuilt_coins(catalog: Catalog) -> tuple[Coin, ...]:
    """The money that the live root's own transaction leaves: its change."""
    proven = catalog.live.beef.proof(catalog.live.outpoint.txid) is not None
    return tuple(
        Coin(
            outpoint=change.outpoint,
            satoshis=change.output.satoshis,
            key=change.key,
            status=CoinStatus.CONFIRMED if proven else CoinStatus.PENDING,
        )
        for change in catalog.change
    )
