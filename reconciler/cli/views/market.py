"""Producers and their goods, side by side, as text and JSON. What strangers wrote is shown, and moves no cursor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rich.cells import cell_len

from reconciler.cli.escaping import printable
from reconciler.cli.views.fitting import padded
from reconciler.cli.views.plan_document import counted
from reconciler.consumer.discovery import Market, Seller
from reconciler.consumer.offers import Price
from reconciler.consumer.search import Found, Service
from reconciler.model.ids import IdentityKey
from reconciler.model.json import Json

_DASH: Final = "-"
_UNKNOWN: Final = "?"
_DIGITS: Final = 10


def services_text(services: Sequence[Service]) -> str:
    """What is offered, one line each, and then who the producers are."""
    sellers = _distinct(service.seller for service in services)
    if not services:
        return "Nobody offers that."
    rows: list[tuple[str, ...]] = [
        ("PRODUCER", "CAPABILITY", "TYPE", "FROM", "GOODS", "REGIONS", "PROMISED", "GATEWAY")
    ]
    labels = _labels(sellers)
    rows += [_service_row(service, labels) for service in services]
    lines = [*table(rows), "", *(line for seller in sellers for line in _seller_lines(seller))]
    lines.append("")
    lines.append(
        f"{counted(len(sellers), 'producer')}, {counted(sum(s.gateway.is_open for s in sellers), 'gateway')} open."
    )
    return "\n".join(lines)


def services_json(services: Sequence[Service], market: Market) -> dict[str, Json]:
    """The same for programs."""
    return {
        "services": [_service_json(service) for service in services],
        "producers": [seller_json(seller) for seller in _distinct(service.seller for service in services)],
        "faults": faults(market),
    }


def goods_text(found: Sequence[Found]) -> str:
    """Goods, one line each."""
    if not found:
        return "Nothing of that kind is offered."
    rows: list[tuple[str, ...]] = [("PRICE", "GOOD", "SIZE", "PRODUCER", "TITLE")]
    sellers = _distinct(each.seller for each in found)
    labels = _labels(sellers)
    rows += [_good_row(each, labels) for each in found]
    return "\n".join([*table(rows), "", f"{counted(len(found), 'good')} of {counted(len(sellers), 'producer')}."])


def goods_json(found: Sequence[Found], market: Market) -> dict[str, Json]:
    """The same for programs."""
    return {
        "goods": [_good_json(each) for each in found],
        "producers": [seller_json(seller) for seller in _distinct(each.seller for each in found)],
        "faults": faults(market),
    }


def faults(market: Market) -> list[Json]:
    """What was heard that does not hold, or was not to be had."""
    return [*market.faults, *(f"{seller.name}: {fault}" for seller in market.sellers for fault in seller.faults)]


def seller_json(seller: Seller) -> dict[str, Json]:
    """Who a producer is, and how that is known."""
    return {
        "identityKey": seller.identity,
        "name": seller.name,
        "title": seller.title,
        "generation": seller.root.document.generation,
        "root": str(seller.root.outpoint),
        "records": len(seller.offers),
        "hosts": list(seller.hosts),
        "regions": list(seller.regions),
        "capabilities": list(seller.capabilities),
        "gateway": {
            "url": seller.url,
            "identityKey": seller.root.document.keys.gateway_key,
            "standing": seller.gateway.standing.value,
            "detail": seller.gateway.detail,
        },
    }


def labelled(sellers: Iterable[Seller]) -> list[str]:
    """Sellers as somebody would name them to tell one from another."""
    return [f"{seller.name} {seller.identity}" for seller in sellers]


def price_json(price: Price | None) -> Json:
    """Model and satoshis of one unit; null for what cannot be understood."""
    return None if price is None else {"satoshis": price.satoshis, "model": price.model}


def size_text(size: int) -> str:
    """Bytes for people: at most three digits and a unit of a thousand."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:,.1f} TB"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with their columns aligned; those that nothing stands in are left out."""
    shown = [column for column in zip(*rows, strict=True) if any(cell not in {"", _DASH} for cell in column[1:])]
    widths = [max(map(cell_len, column)) for column in shown]
    return [
        "  ".join(padded(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in zip(*shown, strict=True)
    ]


def _service_row(service: Service, labels: Mapping[IdentityKey, str]) -> tuple[str, ...]:
    return (
        labels[service.seller.identity],
        service.capability or _DASH,
        printable(service.service_type or _DASH),
        ", ".join(map(str, service.prices)) or _UNKNOWN,
        str(len(service.goods)),
        printable(", ".join(service.regions)) or _DASH,
        printable(service.availability or _DASH),
        service.seller.gateway.standing.value,
    )


def _service_json(service: Service) -> dict[str, Json]:
    return {
        "producer": service.seller.identity,
        "name": service.seller.name,
        "capability": service.capability,
        "serviceType": service.service_type,
        "prices": [price_json(price) for price in service.prices],
        "goods": [offer.good for offer in service.goods],
        "regions": list(service.regions),
        "availability": service.availability,
        "open": service.seller.gateway.is_open,
    }


def _seller_lines(seller: Seller) -> list[str]:
    gateway = seller.gateway
    lines = [f"{seller.name}  {printable(seller.title)}", f"  key      {seller.identity}"]
    where = seller.url or "none"
    detail = f" ({printable(gateway.detail)})" if gateway.detail else ""
    lines.append(f"  gateway  {printable(where)} {gateway.standing.value}{detail}")
    shown = ", ".join(map(printable, seller.hosts))
    generation = seller.root.document.generation
    lines.append(f"  proven   generation {generation}, {counted(len(seller.offers), 'record')}, all shown by {shown}")
    return lines


def _good_row(found: Found, labels: Mapping[IdentityKey, str]) -> tuple[str, ...]:
    offer = found.offer
    size = _DASH if offer.content is None else size_text(offer.content.size)
    price = _UNKNOWN if offer.price is None else str(offer.price)
    return (price, offer.good, size, labels[found.seller.identity], printable(offer.title))


def _good_json(found: Found) -> dict[str, Json]:
    offer = found.offer
    content: dict[str, Json] = (
        {} if offer.content is None else {"size": offer.content.size, "mediaType": offer.content.media_type}
    )
    return {
        "producer": found.seller.identity,
        "kind": offer.id.kind.value,
        "name": offer.id.name,
        "title": offer.title,
        "price": price_json(offer.price),
        "tags": list(offer.tags),
        "capability": offer.capability,
        "license": offer.text("license"),
        "regions": list(offer.regions or found.seller.regions),
        "documentHash": offer.document_hash,
        "open": found.seller.gateway.is_open,
        **content,
    }


def _labels(sellers: Sequence[Seller]) -> dict[IdentityKey, str]:
    """Their names, with some digits of the key where several took the same."""
    taken = Counter(seller.name for seller in sellers)
    return {
        seller.identity: seller.name if taken[seller.name] == 1 else f"{seller.name} {seller.identity[:_DIGITS]}"
        for seller in sellers
    }


def _distinct(sellers: Iterable[Seller]) -> list[Seller]:
    found: dict[str, Seller] = {}
    for seller in sellers:
        found.setdefault(seller.identity, seller)
    return list(found.values())
