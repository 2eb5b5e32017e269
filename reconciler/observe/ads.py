"""What this identity advertises, as trackers that are not ours show it; every answer checked before it is believed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.clients.trackers import FoundAd, Tracker, TrackerHost
from reconciler.model.errors import RefusedError, TransientError, UnreachableError, VerificationError
from reconciler.model.ids import IdentityKey, Outpoint
from reconciler.model.keys import KeyRef, purse_key
from reconciler.model.observed import ListedAd, ObservedAd
from reconciler.observe.pages import Pages
from reconciler.wallet.keys import Keys
from reconciler.wire.script import p2pkh
from reconciler.wire.spv import Verifier
from reconciler.wire.transaction import Transaction, TxOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAd:
    """An advertisement of ours on a tracker. Its BEEF is what was verified of the page that it came with."""

    found: FoundAd
    tracker: str

    def observed(self, *, is_recorded: bool) -> ObservedAd:
        """As plans see it."""
        ad = self.found
        return ObservedAd(protocol=ad.protocol, name=ad.name, url=ad.url, outpoint=ad.outpoint, is_recorded=is_recorded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """An output of an ads transaction that is ours, by its key (PROTOCOL §4, Ads)."""

    outpoint: Outpoint
    output: TxOutput
    key: KeyRef


@dataclass(frozen=True, slots=True, kw_only=True)
class AdReadings:
    """What all trackers said: each advertisement once, and sentences about what could not be had or believed."""

    ads: tuple[LiveAd, ...]
    doubts: tuple[str, ...]
    trackers: frozenset[str]
    """Who answered as a tracker."""

    def shown(self, tracker: str) -> frozenset[Outpoint]:
        """The outpoints that one tracker shows."""
        return frozenset(ad.found.outpoint for ad in self.ads if ad.tracker == tracker)

    @property
    def distinct(self) -> tuple[LiveAd, ...]:
        """Each once, whoever shows it."""
        return tuple({ad.found.outpoint: ad for ad in self.ads}.values())


def check_complete(ads: AdReadings, listed: Iterable[ListedAd]) -> None:
    """Raises UnreachableError where a tracker is silent and the others do not show all that a root lists.

    Whoever knows nothing but what trackers show would make those again, beside the ones that are live.
    """
    shown = {ListedAd(protocol=ad.found.protocol, name=ad.found.name, url=ad.found.url) for ad in ads.ads}
    if ads.doubts and not shown.issuperset(listed):
        raise UnreachableError(
            f"which advertisements are live is not known: {ads.doubts[0]}", hint="try again when it answers"
        )


async def read_ads(
    identity: IdentityKey, *, hosts: Mapping[str, TrackerHost], verifier: Verifier, now: int, plain_http: bool
) -> AdReadings:
    """Ask every host that keeps SHIP and SLAP, all at once."""
    answers = await asyncio.gather(
        *(_ask(identity, name, Tracker(host, plain_http=plain_http), verifier, now) for name, host in hosts.items())
    )
    return AdReadings(
        ads=tuple(ad for ads, _, _ in answers for ad in ads),
        doubts=tuple(doubt for _, doubts, _ in answers for doubt in doubts),
        trackers=frozenset(name for name, (_, _, tracks) in zip(hosts, answers, strict=True) if tracks),
    )


async def _ask(
    identity: IdentityKey, name: str, tracker: Tracker, verifier: Verifier, now: int
) -> tuple[list[LiveAd], list[str], bool]:
    try:
        if not await tracker.tracks():
            return [], [], False
        found = await tracker.ads(identity)
    except (TransientError, RefusedError) as error:
        return [], [f"tracker {name} does not say what is advertised: {error.message}"], False
    pages = Pages(verifier, now)
    sound, doubts = [], []
    for ad in found:
        try:
            await pages.verified(ad.beef, ad.outpoint.txid)
        except VerificationError:
            doubts.append(f"tracker {name} shows an advertisement whose transaction does not hold, {ad.outpoint}")
        else:
            sound.append(ad)
    ads = [LiveAd(found=replace(ad, beef=pages.kept(ad.outpoint.txid)), tracker=name) for ad in sound]
    return ads, doubts, True


def purses(ads: Iterable[LiveAd], keys: Keys) -> tuple[Purse, ...]:
    """The money that the ads transactions shown leave for later ones: what none of them spends."""
    shown = list(ads)
    transactions = {ad.found.outpoint.txid: ad.found.transaction for ad in shown}
    known = [entry.transaction for ad in shown for entry in ad.found.beef.transactions.values()]
    spent = {each.outpoint for transaction in known for each in transaction.inputs}
    return tuple(
        purse
        for transaction in transactions.values()
        for purse in _purses(transaction, keys)
        if purse.outpoint not in spent
    )


def _purses(transaction: Transaction, keys: Keys) -> Iterator[Purse]:
    anchor = str(transaction.inputs[0].outpoint)
    for vout, output in enumerate(transaction.outputs):
        key = purse_key(anchor, vout)
        if output.locking == p2pkh(keys.public(key)):
            yield Purse(outpoint=transaction.outpoint(vout), output=output, key=key)


def merged(recorded: Sequence[ObservedAd], found: Iterable[LiveAd]) -> tuple[ObservedAd, ...]:
    """What is recorded, and what else was found."""
    known = {ad.outpoint for ad in recorded}
    others = (ad.observed(is_recorded=False) for ad in found if ad.found.outpoint not in known)
    return tuple(sorted((*recorded, *others), key=lambda ad: (ad.protocol, ad.name, ad.url, ad.outpoint)))
