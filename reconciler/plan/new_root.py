"""What the new root will say of the producer itself: the manifests' word where it is applied, else what is live already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.model.desired import DesiredState
from reconciler.model.ids import Address, IdentityKey, RecordId
from reconciler.model.json import JsonObject
from reconciler.model.observed import ListedAd, Snapshot
from reconciler.plan.change import Change
from reconciler.plan.settings import live_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRoot:
    """Everything of the root document and its sealed part that follows from manifests."""

    producer: RecordId
    public: JsonObject
    sealed: JsonObject
    gateway_url: str | None
    gateway_key: IdentityKey | None
    """The manifest's, else the live root's; None at genesis, when apply derives it (PROTOCOL §3)."""
    settings: Mapping[str, JsonObject]
    """By `kind/name`, sorted."""
    ads: tuple[ListedAd, ...]
    """Sorted."""


def new_root(desired: DesiredState, snapshot: Snapshot, changes: Sequence[Change], *, keeps_producer: bool) -> NewRoot:
    """What is live, with `changes` made to it: a plan that was restricted must not carry out the rest by the way.

    `keeps_producer` says that the producer's own fields are to stay, whatever the manifests want.
    """
    changed = {change.object for change in changes}
    settings, ads = _settings(desired, snapshot, changed), _ads(desired, snapshot, changed)
    root = snapshot.root
    if root is not None and keeps_producer:
        return NewRoot(
            producer=root.record.id,
            public=root.record.public,
            sealed=root.record.sealed,
            gateway_url=_gateway_url(root.record.public),
            gateway_key=root.gateway_key,
            settings=settings,
            ads=ads,
        )
    return NewRoot(
        producer=desired.producer.id,
        public=desired.producer.public,
        sealed=desired.producer.sealed,
        gateway_url=desired.gateway_url,
        gateway_key=desired.gateway_key or (root.gateway_key if root else None),
        settings=settings,
        ads=ads,
    )


def _settings(desired: DesiredState, snapshot: Snapshot, changed: set[Address]) -> dict[str, JsonObject]:
    wanted = {Address.of_setting(setting.kind, setting.name): setting.value for setting in desired.settings}
    kept = {address: value for address, value in live_settings(snapshot).items() if address not in changed}
    made = {address: value for address, value in wanted.items() if address in changed}
    return {address.path: value for address, value in sorted({**kept, **made}.items())}


def _ads(desired: DesiredState, snapshot: Snapshot, changed: set[Address]) -> tuple[ListedAd, ...]:
    live = [ListedAd(protocol=ad.protocol, name=ad.name, url=ad.url) for ad in snapshot.ads if ad.is_recorded]
    wanted = (ListedAd(protocol=ad.protocol, name=ad.name, url=ad.url) for ad in desired.ads)
    kept = {ad for ad in (*live, *(snapshot.root.ads if snapshot.root else ())) if _address(ad) not in changed}
    return tuple(sorted(kept.union(ad for ad in wanted if _address(ad) in changed)))


def _address(ad: ListedAd) -> Address:
    return Address.of_ad(ad.protocol, ad.name)


def _gateway_url(public: JsonObject) -> str | None:
    gateway = public.get("gateway")
    url = gateway.get("url") if isinstance(gateway, Mapping) else None
    return url if isinstance(url, str) else None
