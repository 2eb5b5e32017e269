"""The catalog through one capability."""

from __future__ import annotations

import json

import pytest

from reconciler.clients.host import HostClient
from reconciler.devnet.hosts import own_host
from reconciler.host.extensions import Extensions
from reconciler.model.errors import RefusedError
from reconciler.model.ids import Network
from reconciler.model.networks import ENDPOINTS
from reconciler.wire.record import parse


@pytest.fixture
async def market(world, make_dataset, make_root):
    """A producer with some records, of which some have a capability."""
    keys, sealed = world.keys(), b"sealed"
    documents = [
        make_root(keys, sealed, capabilities=["crypto-price-feeds", "weather"]),
        make_dataset(keys, "btc", capability="crypto-price-feeds", tags=["btc"]),
        make_dataset(keys, "rain", capability="weather"),
        make_dataset(keys, "odd", capability="Not A Capability", capabilities=7),
        make_dataset(keys, "none"),
    ]
    await world.submit(await world.publish(*documents, unlisted=[sealed]))
    return world


async def names(world, service, **query):
    found = await world.host.lookup(service, query)
    tokens = [parse(each.transaction.outputs[each.outpoint.vout].locking) for each in found]
    return sorted(token.id.name for token in tokens)


async def test_a_capabilitys_service_finds_its_records_and_their_producer(market):
    assert await names(market, "ls_data_crypto_price_feeds") == ["acme", "btc"]
    assert await names(market, "ls_data_weather") == ["acme", "rain"]
    assert await names(market, "ls_data_weather", kind="dataset") == ["rain"]
    assert await names(market, "ls_data_unheard_of") == []


async def test_the_catalog_finds_the_same_by_a_field(market):
    assert await names(market, "ls_data_catalog", capability="crypto-price-feeds") == ["acme", "btc"]
    assert await names(market, "ls_data_catalog", capability="crypto-price-feeds", tag="btc") == ["btc"]
    assert await names(market, "ls_data_catalog", capability="Not A Capability") == []


async def test_the_context_is_the_document_there_too(market):
    (found,) = await market.host.lookup("ls_data_weather", {"kind": "dataset"})

    assert json.loads(found.context)["name"] == "rain"


async def test_a_capabilitys_service_has_no_further_capability(market):
    with pytest.raises(RefusedError, match="unknown field"):
        await market.host.lookup("ls_data_weather", {"capability": "weather"})


async def test_capabilities_are_answered_and_documented_but_not_listed(market):
    assert await market.host.services() == {"ls_data_catalog", "ls_uhrp", "ls_ship", "ls_slap"}
    url = "http://public.embedded/getDocumentationForLookupServiceProvider?lookupService="
    for service, words in (("ls_data_weather", "# Data catalog"), ("ls_other", "No documentation found!")):
        assert (await market.http.request("GET", url + service)).body.decode().startswith(words)


@pytest.mark.parametrize("service", ["ls_data_", "ls_data_a1", "tm_data_weather", "ls_weather", "ls_data_a-b"])
async def test_other_names_are_no_services(market, service):
    with pytest.raises(RefusedError, match="does not support this lookup service"):
        await market.host.lookup(service, {})


async def test_the_producers_own_host_answers_for_every_capability_too(world, market):
    own = own_host(
        world.database,
        ENDPOINTS[Network.EMBEDDED],
        network=Network.EMBEDDED,
        http=world.http,
        clock=world.clock,
        extensions=Extensions(),
    )
    world.http.mount("http://own.embedded", own)
    host = HostClient(world.http, "http://own.embedded")

    assert len(await host.lookup("ls_data_weather", {})) == 2
    assert await host.topics() == {"tm_data_catalog"}
