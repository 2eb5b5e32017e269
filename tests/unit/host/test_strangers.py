"""Our resolver, broadcaster and discovery check against a real host: what a stranger sees of somebody who advertises."""

from __future__ import annotations

import pytest

from reconciler.clients.broadcaster import Question, Standing, TopicBroadcaster
from reconciler.clients.host import HostClient
from reconciler.clients.reputations import Reputations
from reconciler.clients.resolver import Patience, Resolver
from reconciler.control.discovery import discoverable
from reconciler.model.errors import StateError
from reconciler.model.ids import AdProtocol
from reconciler.wire.advertisement import AdToken

CATALOG = "ls_data_catalog"


@pytest.fixture
async def resolver(world):
    async with Resolver(
        {world.host.url: world.host},
        host=lambda url: HostClient(world.http, url),
        reputations=Reputations(clock=world.clock, dice=lambda: 1.0),
        clock=world.clock,
        verifier=world.headers,
        plain_http=True,
        patience=Patience(grace=0.0),
    ) as made:
        yield made


async def advertise(world, *names: str, url: str | None = None):
    tokens = [
        AdToken(
            AdProtocol.SHIP if name.startswith("tm_") else AdProtocol.SLAP,
            world.keys().identity,
            url or world.host.url,
            name,
        )
        for name in names
    ]
    ads = await world.ads(*tokens)
    await world.submit(ads, "tm_ship", "tm_slap")
    return ads


async def test_a_stranger_finds_the_host_of_a_service_and_what_it_keeps(world, resolver, make_dataset):
    await advertise(world, CATALOG, "tm_data_catalog")
    published = await world.publish(make_dataset(world.keys(), "btc"))
    await world.submit(published)

    assert await resolver.hosts_for(CATALOG) == (world.host.url,)
    answers = await resolver.lookup(CATALOG, {"kind": "dataset"})

    assert [output.outpoint.txid for output in answers.live] == [published.transaction.txid]
    assert [answer.verdict for answer in answers.by_host.values()] == ["answered"]


async def test_a_transaction_reaches_who_advertises_its_topic_and_a_second_time_is_known(world, resolver, make_dataset):
    await advertise(world, "tm_data_catalog")
    published = await world.publish(make_dataset(world.keys(), "btc"))
    broadcaster = TopicBroadcaster(
        resolver,
        host=lambda url: HostClient(world.http, url),
        reputations=Reputations(clock=world.clock, dice=lambda: 1.0),
    )
    txid = published.transaction.txid
    questions = {"tm_data_catalog": Question(CATALOG, {"outpoint": f"{txid}.0"})}

    for _ in range(2):
        done = await broadcaster.broadcast(published.submission("tm_data_catalog"), txid=txid, questions=questions)
        assert done.ok
        assert {url: host.standing for url, host in done.hosts.items()} == {world.host.url: Standing.ACKNOWLEDGED}


async def test_the_discovery_check_says_where_trackers_lead(world, resolver):
    identity, url = world.keys().identity, world.host.url

    assert await discoverable(url, identity=identity, lookups=resolver, plain_http=True) == "nothing is advertised"
    await advertise(world, "ls_data_a", "ls_data_b")
    world.clock.now += 60
    assert await discoverable(url, identity=identity, lookups=resolver, plain_http=True) == (
        f"trackers lead to {url} for ls_data_a, ls_data_b"
    )


async def test_a_tracker_that_lags_is_named(world, resolver):
    class Behind:
        async def lookup(self, service, query):
            return ()

    await advertise(world, "ls_data_a")
    resolver._trackers["http://behind.embedded"] = Behind()

    with pytest.raises(StateError, match=r"behind.embedded is lagging: it lacks 1 that others show"):
        await discoverable(world.host.url, identity=world.keys().identity, lookups=resolver, plain_http=True)
