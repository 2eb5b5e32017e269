"""Which advertisements change: what the trackers shall say of the gateway against what they say (PROTOCOL §8).

One live token with the right URL is right, whoever made it. Anything else that is live under the same name is spent in the
transaction that makes the right one: a second token beside it would not be indexed, and would vanish with the first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from reconciler.model.desired import DesiredAd, DesiredState
from reconciler.model.ids import Address
from reconciler.model.json import Json
from reconciler.model.observed import ListedAd, ObservedAd, Snapshot
from reconciler.plan.action import RISKS, Action
from reconciler.plan.change import Change, Drift, FieldDiff
from reconciler.plan.occasion import Occasions
from reconciler.plan.records import GONE, line

UNLISTED = "the trackers do not list it"


def ad_changes(desired: DesiredState, snapshot: Snapshot, occasions: Occasions) -> Iterator[Change]:
    """The changes of all advertisements, in no particular order."""
    live = by_address(snapshot.ads)
    for wanted in desired.ads:
        address = Address.of_ad(wanted.protocol, wanted.name)
        change = _change(wanted, address, live.pop(address, []), snapshot, occasions)
        if change is not None:
            yield change
    for address, found in live.items():
        is_recorded = any(ad.is_recorded for ad in found)
        yield delete_ad(address, found, GONE if is_recorded else "found on the trackers, but not in the manifests")


def lost_ads(changes: Iterable[Change]) -> list[Drift]:
    """Advertisements that the root lists and no tracker does."""
    return [Drift(change.object, UNLISTED) for change in changes if change.why == UNLISTED]


def by_address(ads: Iterable[ObservedAd]) -> dict[Address, list[ObservedAd]]:
    """All live tokens of each advertisement, sorted by outpoint."""
    found: defaultdict[Address, list[ObservedAd]] = defaultdict(list)
    for ad in sorted(ads, key=lambda ad: ad.outpoint):
        found[Address.of_ad(ad.protocol, ad.name)].append(ad)
    return dict(found)


def delete_ad(address: Address, found: Sequence[ObservedAd], why: str) -> Change:
    """The change that revokes an advertisement."""
    return Change(object=address, action=Action.DELETE, why=why, risk=RISKS[Action.DELETE], before=_before(found))


def _change(
    wanted: DesiredAd, address: Address, found: list[ObservedAd], snapshot: Snapshot, occasions: Occasions
) -> Change | None:
    drifted = occasions.drifted.get(address)
    match found:
        case []:
            return _make(Action.CREATE, wanted, found, why=drifted or _asked(wanted, snapshot))
        case [ad] if ad.url != wanted.url:
            return _make(Action.REPLACE, wanted, found, why=line(wanted.span))
        case [_, _, *_]:
            return _make(Action.REPLACE, wanted, found, why=f"{len(found)} tokens of it are live")
        case _ if (why := occasions.new_token(address)) is not None:
            return _make(Action.REPLACE, wanted, found, why=why)
        case [ad] if not ad.is_recorded:
            return _make(Action.ADOPT, wanted, found, why="found on the trackers")
        case _:
            return _make(Action.ADOPT, wanted, found, why=drifted) if drifted else None


def _asked(wanted: DesiredAd, snapshot: Snapshot) -> str:
    listed = snapshot.root.ads if snapshot.root else ()
    is_listed = ListedAd(protocol=wanted.protocol, name=wanted.name, url=wanted.url) in listed
    return UNLISTED if is_listed else line(wanted.span)


def _make(action: Action, wanted: DesiredAd, found: Sequence[ObservedAd], *, why: str) -> Change:
    after: dict[str, Json] = {"protocol": wanted.protocol.value, "name": wanted.name, "url": wanted.url}
    if action is Action.ADOPT:
        after["outpoint"] = str(found[0].outpoint)
    urls = sorted({ad.url for ad in found} - {wanted.url}) if action is Action.REPLACE else []
    return Change(
        object=Address.of_ad(wanted.protocol, wanted.name),
        action=action,
        why=why,
        source=str(wanted.span),
        risk=RISKS[action],
        before=_before(found) if found and action is not Action.ADOPT else None,
        after=after,
        diff=tuple(FieldDiff("url", url, wanted.url) for url in urls),
    )


def _before(found: Sequence[ObservedAd]) -> dict[str, Json]:
    return {
        "protocol": found[0].protocol.value,
        "name": found[0].name,
        "ads": [{"url": ad.url, "outpoint": str(ad.outpoint)} for ad in found],
    }
