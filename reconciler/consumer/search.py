"""Goods of several producers side by side, and what each producer has to offer: filtered and put in order. Asks nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Final

from reconciler.consumer.discovery import Seller
from reconciler.consumer.offers import Offer, Order, Price, Wish, reaches
from reconciler.model.amounts import MAX_SATOSHIS


@dataclass(frozen=True, slots=True)
class Found:
    """A good, and who sells it."""

    seller: Seller
    offer: Offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What one producer has to offer under one capability; under None, what it sells without naming any."""

    seller: Seller
    capability: str | None
    goods: tuple[Offer, ...]
    ad: Offer | None
    """Its advertisement; None where the producer says the capability and does not tell of it."""

    @property
    def service_type(self) -> str | None:
        """In the producer's words."""
        return None if self.ad is None else self.ad.text("serviceType")

    @property
    def prices(self) -> tuple[Price, ...]:
        """The lowest of each model of what is really sold, cheapest first; where nothing is, what the advertisement says."""
        sources = self.goods or ((self.ad,) if self.ad is not None and "pricing" in self.ad.public else ())
        lowest: dict[str, Price] = {}
        for price in sorted(price for each in sources if (price := each.price) is not None):
            lowest.setdefault(price.model, price)
        return tuple(lowest.values())

    @property
    def price(self) -> Price | None:
        """The lowest there is."""
        return next(iter(self.prices), None)

    @property
    def regions(self) -> tuple[str, ...]:
        """Where it is offered."""
        return (self.ad.regions if self.ad else ()) or self.seller.regions

    @property
    def availability(self) -> str | None:
        """Percent of the time, as the producer promises."""
        promised = None if self.ad is None else self.ad.public.get("availability")
        return None if promised is None else str(promised)


_DEAREST: Final = MAX_SATOSHIS + 1

_KEYS: Final[dict[Order, Callable[[Found], tuple[int, str, str]]]] = {
    Order.PRICE: lambda found: (_amount(found.offer.price), found.offer.good, found.seller.identity),
    Order.NAME: lambda found: (0, found.offer.good, found.seller.identity),
    Order.SIZE: lambda found: (-_size(found.offer), found.offer.good, found.seller.identity),
}


def search(
    sellers: Iterable[Seller], wish: Wish, *, name: str | None = None, order: Order = Order.PRICE
) -> tuple[Found, ...]:
    """The goods that are wished for, of every seller; `name` may be a pattern such as `crypto-history/*`."""
    found = (
        Found(seller, offer)
        for seller in sellers
        for offer in seller.goods
        if wish.wants(offer, seller.regions) and (name is None or fnmatchcase(offer.id.name, name))
    )
    return tuple(sorted(found, key=_KEYS[order]))


def services(sellers: Iterable[Seller], wish: Wish, *, service_type: str | None = None) -> tuple[Service, ...]:
    """What each seller has to offer, one for each capability: who is open first, then the cheapest.

    `service_type` is a producer's own word or a capability, in whatever case.
    """
    found = [
        service
        for seller in sellers
        for service in _services(seller)
        if _wanted(service, wish) and _is_of(service, service_type)
    ]
    return tuple(
        sorted(found, key=lambda each: (not each.seller.gateway.is_open, _amount(each.price), each.seller.identity))
    )


def _services(seller: Seller) -> Iterable[Service]:
    ads = {ad.capability: ad for ad in reversed(seller.advertised(None))}
    names: dict[str | None, None] = dict.fromkeys((*seller.capabilities, *ads))
    if any(offer.capability is None for offer in seller.goods):
        names[None] = None
    for name in names:
        goods = tuple(offer for offer in seller.goods if offer.capability == name)
        yield Service(seller=seller, capability=name, goods=goods, ad=ads.get(name))


def _wanted(service: Service, wish: Wish) -> bool:
    """Whether some good of it is wished for; where nothing is on sale, or nothing is asked of goods, the service itself."""
    of_goods = replace(wish, region=None, max_price=None, producer=None, capability=None)
    return (
        wish.producer in {None, service.seller.identity}
        and wish.capability in {None, service.capability}
        and (wish.region is None or reaches(service.regions, wish.region))
        and wish.affords(service.price)
        and (of_goods == Wish() or any(of_goods.wants(offer, service.seller.regions) for offer in service.goods))
    )


def _is_of(service: Service, service_type: str | None) -> bool:
    if service_type is None:
        return True
    return service_type.casefold() in {(service.service_type or "").casefold(), service.capability}


def _amount(price: Price | None) -> int:
    return _DEAREST if price is None else price.satoshis


def _size(offer: Offer) -> int:
    return 0 if offer.content is None else offer.content.size
