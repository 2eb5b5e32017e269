"""A buyer looks around: several producers on one world, and hosts and gateways that do not tell the truth."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from reconciler.cli.shopping import open_market
from reconciler.consumer.offers import Wish
from reconciler.consumer.search import search, services
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError, VerificationError
from reconciler.plan.options import DeleteLimit
from reconciler.wallet.keyfile import read_key
from reconciler.wallet.keys import Keys
from reconciler.wire.state_root import Leaf

pytestmark = pytest.mark.long

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: Acme
  regions: [EU]
  gateway: {url: "http://acme-gateway.embedded"}
  network: embedded
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {name: tables}
spec: {serviceType: lookup-tables, capability: tables, pricing: {model: per-request, satoshis: 1}, regions: [US]}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: tables}
spec: {source: {glob: "data/*.csv"}, title: "Table {stem}", capability: tables, tags: [test], price: 7}
"""


def keys_of(name: str) -> Keys:
    return Keys(hashlib.sha256(name.encode()).digest())


def identity_of(producer) -> str:
    return read_key(producer.home / "identity.key", passphrase=None, plain_allowed=True).identity


@pytest.fixture
async def published(producer):
    """Two producers on one world: acme sells two tables, and zeta, who took its name, gives one away."""
    producer.write(MANIFEST)
    await producer.apply()
    folder = producer.folder.with_name("zeta")
    folder.mkdir()
    home = producer.home.with_name("zeta-home")
    (home / "embedded").mkdir(parents=True)
    (home / "embedded" / "world").symlink_to(producer.home / "embedded" / "world")
    zeta = replace(producer, folder=folder, home=home, environment=producer.databases.environment())
    zeta.write(MANIFEST.replace("price: 7", "price: 0").replace("acme-gateway", "zeta-gateway"))
    zeta.data("a.csv", "id,value\n9,number nine\n")
    await zeta.apply()
    return producer, zeta


@asynccontextmanager
async def looking(producer):
    """The world through a buyer's eyes, at another home that has nothing but the world."""
    home = producer.home.with_name("buyer-home")
    (home / "embedded").mkdir(parents=True, exist_ok=True)
    if not (home / "embedded" / "world").exists():
        (home / "embedded" / "world").symlink_to(producer.home / "embedded" / "world")
    async with open_market(replace(producer, home=home, environment={}).invocation) as market:
        yield market


class Lying:
    """A host that hides one record."""

    def __init__(self, host, hidden: str) -> None:
        self._host, self._hidden = host, hidden.encode()

    async def services(self):
        return await self._host.services()

    async def lookup(self, service, query):
        return tuple(
            found for found in await self._host.lookup(service, query) if self._hidden not in (found.context or b"")
        )


async def test_every_producer_is_found_and_compared_by_price_capability_and_region(published):
    acme, _ = published
    async with looking(acme) as market:
        discovery = market.discovery()
        found = (await discovery.market(Wish())).sellers
        assert len((await discovery.market(Wish(capability="tables"))).sellers) == 2
        assert not (await discovery.market(Wish(capability="weather"))).sellers
        few = await replace(discovery, most=1).market(Wish())
        with pytest.raises(RefusedError, match="no host knows a producer"):
            await discovery.seller(keys_of("nobody").identity)
    assert len(few.sellers) == 1
    assert "1 more producers are named, and were not looked at" in few.faults
    offered = services(found, Wish(), service_type="lookup-tables")
    assert [(each.capability, each.price.satoshis, len(each.goods)) for each in offered] == [
        ("tables", 0, 1),
        ("tables", 7, 2),
    ]
    assert {each.seller.name for each in offered} == {"acme"}
    assert len({each.seller.identity for each in offered}) == 2
    assert [each.regions for each in offered] == [("US",), ("US",)]
    assert not services(found, Wish(region="EU"))
    assert [each.offer.id.name for each in search(found, Wish(max_price=Satoshis(6)))] == ["tables/data/a.csv"]
    assert len(search(found, Wish(), name="tables/*")) == 3


async def test_a_host_that_hides_a_record_is_named_and_another_one_is_read(published):
    acme, _ = published
    identity = identity_of(acme)
    async with looking(acme) as market:
        discovery = market.discovery()
        (honest,) = discovery.hosts.values()
        liar = Lying(honest, '"name":"tables/data/b.csv"')
        seller = await replace(discovery, hosts={"http://liar": liar, "http://honest": honest}).seller(identity)
        assert len(seller.goods) == 2
        assert any("http://liar" in fault and "lists 2 records" in fault for fault in seller.faults)
        alone = await replace(discovery, hosts={"http://liar": liar}).market(Wish())
        assert [seller.identity for seller in alone.sellers] == [
            key for key in {identity_of(each) for each in published} if key != identity
        ]
        assert any("no host shows the catalog of acme whole" in fault for fault in alone.faults)


class Slow:
    """A host that still shows what has been replaced since, before what there is."""

    def __init__(self, host, earlier) -> None:
        self._host, self._earlier = host, earlier

    async def services(self):
        return await self._host.services()

    async def lookup(self, service, query):
        now = await self._host.lookup(service, query)
        return now if "kind" in query else (*self._earlier, *now)


async def test_what_was_replaced_counts_for_nothing_and_what_is_gone_is_the_gateways_to_say(producer):
    producer.write(MANIFEST)
    await producer.apply()
    identity = identity_of(producer)
    async with looking(producer) as market:
        (host,) = market.discovery().hosts.values()
        earlier = await host.lookup("ls_data_catalog", {"producer": identity})
    producer.write(MANIFEST.replace('"Table {stem}"', '"Tables, {stem}"'))
    await producer.apply()
    async with looking(producer) as market:
        discovery = replace(market.discovery(), hosts={"http://slow": Slow(host=_only(market), earlier=earlier)})
        seller = await discovery.seller(identity)
        assert {offer.title for offer in seller.goods} == {"Tables, a", "Tables, b"}

    (producer.folder / "data" / "b.csv").unlink()
    await producer.apply(max_delete=DeleteLimit.parse("100%"))
    async with looking(producer) as market:
        slow = Slow(host=_only(market), earlier=[each for each in earlier if b"b.csv" in (each.context or b"")])
        discovery = replace(market.discovery(), hosts={"http://slow": slow})
        with pytest.raises(VerificationError, match="no host shows the catalog of acme whole"):
            await discovery.seller(identity)
        there = {offer.id: offer for offer in (await market.discovery().seller(identity)).offers}

        async def listing(url: str):
            return [Leaf(offer.id, offer.document_hash) for offer in there.values()]

        seller = await replace(discovery, listing=listing).seller(identity)
        assert [offer.id.name for offer in seller.goods] == ["tables/data/a.csv"]


def _only(market):
    (host,) = market.discovery().hosts.values()
    return host
