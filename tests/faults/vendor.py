"""What a vendor wants, and changes of it at random: the manifests of a scenario."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

GATEWAY: Final = "http://localhost:3999"
"""Where nobody serves."""

PRODUCER: Final = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: TITLE
  network: embedded
  gateway: {url: "GATEWAY"}
  defaults: {paymentRule: standard, replication: twice}
---
apiVersion: overlay/v1
kind: PaymentRule
metadata: {name: standard}
spec:
  http: {min: 1, max: MOST, window: 1h}
---
apiVersion: overlay/v1
kind: ReplicationRule
metadata: {name: twice}
spec: {replicas: 2, minReplicas: 1}
"""

AD: Final = """\
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {name: NAME}
spec: {serviceType: data-feed, capability: NAME, pricing: {model: per-minute, satoshis: PRICE}}
"""

DATASET: Final = """\
---
apiVersion: overlay/v1
kind: Dataset
metadata: METADATA
spec: {source: {path: data/FILE}, title: "TITLE", price: PRICE}
"""

_LONG_AGO: Final = 1_700_000_000

CANARY: Final = "worth money, canary"


@dataclass
class Good:
    """A dataset; a price of 0 is free."""

    title: str
    file: str
    content: int
    price: int
    former: str | None = None
    """Its name until this round."""


@dataclass
class Vendor:
    """The desired state. `goods` by name, `ads` are capabilities with their prices."""

    title: str = "Acme"
    most: int = 1000
    goods: dict[str, Good] = field(default_factory=dict)
    ads: dict[str, int] = field(default_factory=dict)
    made: int = 0

    @property
    def records(self) -> frozenset[str]:
        """The names of the records that are to be live, the root's not among them."""
        return frozenset({*(f"dataset/{name}" for name in self.goods), *(f"advertisement/{name}" for name in self.ads)})

    def write(self, producer: Any) -> None:
        """Make it the producer's manifests and files."""
        text = PRODUCER.replace("MOST", str(self.most)).replace("GATEWAY", GATEWAY)
        for name, price in sorted(self.ads.items()):
            text += AD.replace("NAME", name).replace("PRICE", str(price))
        for name, good in sorted(self.goods.items()):
            former = f", renamedFrom: {good.former}" if good.former else ""
            part = DATASET.replace("METADATA", f"{{name: {name}{former}}}").replace("FILE", good.file)
            text += part.replace("TITLE", good.title).replace("PRICE", str(good.price))
            path = producer.data(good.file, f"id,value\n{good.content},{CANARY if good.price else 'for nothing'}\n")
            os.utime(path, (_LONG_AGO + good.content, _LONG_AGO + good.content))  # old enough for the cache of digests
        producer.write(text, title=self.title)

    def create(self, chance: random.Random) -> None:
        """One more dataset, for sale or not."""
        self.made += 1
        price = chance.choice((0, 0, 50))
        self.goods[f"set{self.made}"] = Good(f"Set {self.made}", f"f{self.made}.csv", self.made, price)

    def edit(self, chance: random.Random, *, most: int) -> str:
        """Change one to three things; returns what."""
        for good in self.goods.values():
            good.former = None
        live = {name: replace(good) for name, good in self.goods.items()}
        names = chance.choices(list(EDITS), k=chance.randint(1, 3))
        for name in names:
            EDITS[name](self, chance)
        while len(self.goods) > most:
            del self.goods[chance.choice(sorted(self.goods))]
        if live and live.keys().isdisjoint({*self.goods, *(good.former for good in self.goods.values())}):
            self.goods |= [min(live.items())]  # a guard refuses to let everything go
        if not self.goods:
            self.create(chance)
        self.made += 1
        self.title = f"Acme {self.made}"  # so that no round is without a root transaction
        return ", ".join(names)


def _some(vendor: Vendor, chance: random.Random) -> Good | None:
    return vendor.goods[chance.choice(sorted(vendor.goods))] if vendor.goods else None


def _content(vendor: Vendor, chance: random.Random) -> None:
    good = _some(vendor, chance)
    if good is not None:
        vendor.made += 1
        good.content = vendor.made


def _retitle(vendor: Vendor, chance: random.Random) -> None:
    good = _some(vendor, chance)
    if good is not None:
        vendor.made += 1
        good.title = f"Title {vendor.made}"


def _price(vendor: Vendor, chance: random.Random) -> None:
    good = _some(vendor, chance)
    if good is not None:
        good.price = good.price + 5 if good.price else 20


def _free(vendor: Vendor, chance: random.Random) -> None:
    good = _some(vendor, chance)
    if good is not None:
        good.price = 0 if good.price else 30


def _delete(vendor: Vendor, chance: random.Random) -> None:
    if len(vendor.goods) > 1:
        del vendor.goods[chance.choice(sorted(vendor.goods))]


def _rename(vendor: Vendor, chance: random.Random) -> None:
    steady = sorted(name for name, good in vendor.goods.items() if good.former is None and good.content < vendor.made)
    if steady:
        former = chance.choice(steady)
        vendor.made += 1
        good = vendor.goods.pop(former)
        good.former = former
        vendor.goods[f"set{vendor.made}"] = good


def _advertise(vendor: Vendor, chance: random.Random) -> None:
    absent = sorted({"prices", "weather", "trades"} - set(vendor.ads))
    if absent:
        vendor.ads[chance.choice(absent)] = 20


def _withdraw(vendor: Vendor, chance: random.Random) -> None:
    if vendor.ads:
        del vendor.ads[chance.choice(sorted(vendor.ads))]


def _reprice_ad(vendor: Vendor, chance: random.Random) -> None:
    if vendor.ads:
        vendor.ads[chance.choice(sorted(vendor.ads))] += 1


def _setting(vendor: Vendor, _: random.Random) -> None:
    vendor.most += 1


EDITS: Final[dict[str, Callable[[Vendor, random.Random], None]]] = {
    "create": Vendor.create,
    "content": _content,
    "title": _retitle,
    "price": _price,
    "free or sold": _free,
    "delete": _delete,
    "rename": _rename,
    "advertise": _advertise,
    "withdraw": _withdraw,
    "price of an ad": _reprice_ad,
    "setting": _setting,
}
