"""The reference's engine (@bsv/overlay) and a host of ours: each submits to, looks up from and catches up with the other."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from reconciler.clients.broadcaster import Question, Standing, TopicBroadcaster
from reconciler.clients.host import HostClient
from reconciler.clients.http import HttpClient
from reconciler.clients.peers import Neighbours, PeerClient
from reconciler.clients.reputations import Reputations
from reconciler.clients.resolver import Patience, Resolver
from reconciler.clients.survey import Verdict
from reconciler.devnet.arc import build_app as build_arc
from reconciler.host.app import build_app
from reconciler.host.engine import Engine
from reconciler.host.lookups.advertisements import AdLookup
from reconciler.host.lookups.data_catalog import DataCatalogLookup
from reconciler.host.neighbourhood import Dealings, Neighbourhood
from reconciler.host.proofs import Proofs
from reconciler.host.topics.advertisements import AdTopic
from reconciler.host.topics.data_catalog import DataCatalogTopic
from reconciler.model.errors import RefusedError
from reconciler.model.ids import AdProtocol
from reconciler.store.outputs import Outputs
from reconciler.wallet.keys import Keys
from reconciler.web.server import Door, serving
from reconciler.wire.advertisement import AdToken
from reconciler.wire.gasp import ListRequest, NodeRequest
from reconciler.wire.submission import Admittance
from tests.unit.host.conftest import Money, World, dataset

TOPIC, SERVICE = "tm_data_catalog", "ls_data_catalog"


class Both:
    """A host of ours on TCP, the reference's engine beside it, and one chain."""

    def __init__(self, world: World, ours: str, theirs: str, http: HttpClient) -> None:
        self.world = world
        self.ours = ours
        self.theirs = theirs
        self.http = http
        self.client = HostClient(http, theirs)
        self.peer = PeerClient(http, theirs)

        async def own():
            return [ours]

        peers = Neighbours(
            http=http, strangers=http, hosts=[theirs], own=own, verifier=world.headers, clock=world.clock, toy=True
        )
        proofs = Proofs(database=world.database, chain=world.headers, statuses=world.arc, clock=world.clock)
        self.dealings = Dealings(
            Neighbourhood(peers=peers, dice=lambda: 1.0), database=world.database, clock=world.clock
        )
        self.engine = Engine(
            database=world.database,
            chain=world.headers,
            proofs=proofs,
            topics=TOPICS,
            lookups=LOOKUPS,
            clock=world.clock,
            outgoing=self.dealings.propagation,
        )
        self.sync = self.dealings.synchroniser(self.engine)

    async def held(self, topic: str = TOPIC) -> dict[str, bool]:
        """What the reference keeps, and whether it has a proof of it."""
        reply = await self.http.request("GET", f"{self.theirs}/-/held?topic={topic}")
        return {each["outpoint"]: each["proven"] for each in reply.json()}

    async def kept(self, topic: str = TOPIC) -> list[str]:
        """What we keep."""
        async with self.world.database.reading() as connection:
            return [str(each.outpoint) for each in await Outputs(connection).unspent(topic, 0, 1000)]

    async def have_them_sync(self, topic: str = TOPIC) -> int:
        """Has the reference catch up with us; the score up to which it has."""
        body = json.dumps({"topic": topic, "peer": self.ours}).encode()
        headers = {"content-type": "application/json"}
        reply = await self.http.request("POST", f"{self.theirs}/-/sync", headers=headers, content=body)
        assert reply.ok, reply.body
        return reply.json()["since"]

    async def publish(self, *names: str, mined: bool = False, **more):
        """A transaction with records, given to nobody but the chain."""
        publication = await self.world.publish(*(dataset(self.world.keys(), name) for name in names), **more)
        if mined:
            await self.world.send(publication)
            await self.world.ledger.mine()
        return publication


TOPICS = [DataCatalogTopic(), *(AdTopic(protocol, plain_http=True) for protocol in AdProtocol)]
LOOKUPS = [DataCatalogLookup(), *map(AdLookup, AdProtocol)]


@pytest.fixture
async def both(tmp_path, database, request, started_peer) -> AsyncIterator[Both]:
    world = World(tmp_path, database, request.node.name)
    app = build_app(
        database=database,
        headers=world.headers,
        arc=world.arc,
        clock=world.clock,
        topics=TOPICS,
        lookups=LOOKUPS,
    )
    arc = build_arc(ledger=world.ledger, clock=world.clock)
    async with (
        world.ledger,
        world.http,
        serving([Door(app=each, host="127.0.0.1", port=0) for each in (app, arc)]) as (ours, chain),
        started_peer("engine.mjs", {"headers": chain, "topics": [TOPIC, "tm_ship"]}) as theirs,
        HttpClient() as http,
    ):
        yield Both(world, ours, theirs["url"], http)


def outpoints(*publications) -> list[str]:
    return [str(token.outpoint) for publication in publications for token in publication.tokens]


async def test_our_client_submits_to_it_and_looks_up_from_it(both):
    publication = await both.publish("a", "b")

    steak = await both.client.submit(publication.submission())
    again = await both.client.submit(publication.submission())
    found = await both.client.lookup(SERVICE, {})

    assert steak == {TOPIC: Admittance(outputs=(0, 1))}
    assert again == {TOPIC: Admittance()}  # which says nothing: it knows the transaction
    assert sorted(str(each.outpoint) for each in found) == sorted(outpoints(publication))
    assert found[0].transaction == publication.transaction
    assert await both.client.topics() == {TOPIC, "tm_ship"}
    assert await both.client.services() == {SERVICE, "ls_ship"}
    with pytest.raises(RefusedError, match="does not support this topic"):
        await both.client.submit(publication.submission("tm_other"))


async def test_we_catch_up_with_it(both):
    proven, unproven = await both.publish("a", "b", mined=True), await both.publish("c")
    child = await both.publish("d", money=Money(unproven.change, unproven.beef))
    for publication in (proven, unproven, child):
        await both.client.submit(publication.submission(documents=()))

    await both.sync.round()

    assert sorted(await both.kept()) == sorted(outpoints(proven, unproven, child)) == sorted(await both.held())
    await both.sync.round()
    assert sorted(await both.kept()) == sorted(outpoints(proven, unproven, child))
    assert await both.world.names() == []  # it keeps no documents: we have tokens that are not complete
    await both.world.host.submit(proven.submission())
    assert sorted(await both.world.names()) == ["a", "b"]


async def test_what_it_cannot_give_does_not_keep_us_from_the_rest(both):
    """The reference looks for an ancestor input by input, and gives up at the first proven one, found or not."""
    first = await both.publish("a")
    replaced = await both.publish("a", replacing=[(first, 0)])  # two parents
    other = await both.publish("b")
    for publication in (first, replaced, other):
        await both.client.submit(publication.submission())

    await both.sync.round()

    assert await both.kept() == outpoints(other)
    for spent in replaced.transaction.inputs:
        with pytest.raises(RefusedError, match="Incomplete SPV data"):
            await both.peer.node(NodeRequest(replaced.tokens[0].outpoint, spent.outpoint))


async def test_it_catches_up_with_us(both):
    proven = await both.publish("a", "b", mined=True)
    unproven = await both.publish("c")
    replaced = await both.publish("c", replacing=[(unproven, 0)])
    for publication in (proven, unproven, replaced):
        await both.world.submit(publication)
    await both.world.found()  # our host has the proof by now

    since = await both.have_them_sync()

    assert sorted(await both.held()) == sorted(outpoints(proven, replaced))
    assert {token: proven for token, proven in (await both.held()).items() if proven}.keys() == set(outpoints(proven))
    answer = await PeerClient(both.http, both.ours).listed(TOPIC, ListRequest())
    assert since == answer.outputs[-1].score
    more = await both.publish("d")
    await both.world.submit(more)
    await both.have_them_sync()
    assert sorted(await both.held()) == sorted(outpoints(proven, replaced, more))


async def test_each_has_something_and_both_have_all_of_it_in_the_end(both):
    here, there = await both.publish("a", mined=True), await both.publish("b", mined=True)
    await both.world.submit(here)
    await both.client.submit(there.submission())

    await both.sync.round()
    await both.have_them_sync()

    assert sorted(await both.kept()) == sorted(await both.held()) == sorted(outpoints(here, there))


async def test_what_is_submitted_to_us_reaches_it_if_it_is_advertised(both):
    keys: Keys = both.world.keys("advertiser")
    ads = await both.world.ads(AdToken(AdProtocol.SHIP, keys.identity, both.theirs, TOPIC), keys=keys)
    await both.client.submit(ads.submission("tm_ship"))  # it is the tracker, too
    publication = await both.publish("a")

    await both.engine.submit(publication.submission())
    assert await both.dealings.propagation.round() == 1

    assert [*await both.held()] == outpoints(publication)


async def test_scores_are_milliseconds_and_versions_are_not_looked_at(both):
    """What WIRE §4.1 says of the reference: held here, so that we notice when it changes."""
    await both.client.submit((await both.publish("a")).submission())

    reply = await both.http.request(
        "POST",
        f"{both.theirs}/requestSyncResponse",
        headers={"content-type": "application/json", "x-bsv-topic": TOPIC},
        content=b'{"version":99,"since":0}',
    )

    assert reply.ok
    assert reply.json()["UTXOList"][0]["score"] > 1_700_000_000_000


async def test_a_node_that_it_does_not_have_is_a_refusal(both):
    publication = await both.publish("a")
    outpoint = publication.tokens[0].outpoint

    with pytest.raises(RefusedError):
        await both.peer.node(NodeRequest(outpoint, outpoint))


async def test_our_broadcaster_reaches_it_and_what_it_does_not_say_again_a_look_up_says(both):
    publication = await both.publish("a")
    txid = publication.transaction.txid
    reputations = Reputations(clock=both.world.clock, dice=lambda: 1.0)

    def client(url):
        return HostClient(both.http, url)

    async with Resolver(
        {},
        host=client,
        besides={url: client(url) for url in (both.theirs, both.ours)},
        reputations=reputations,
        clock=both.world.clock,
        verifier=both.world.headers,
        plain_http=True,
        patience=Patience(grace=10.0),
    ) as resolver:
        broadcaster = TopicBroadcaster(resolver, host=client, reputations=reputations)
        ask = {TOPIC: Question(SERVICE, {"outpoint": f"{txid}.0"})}
        once, again, confirmed = [
            await broadcaster.broadcast(publication.submission(), txid=txid, questions=questions, besides=[both.theirs])
            for questions in ({}, {}, ask)
        ]
        answers = await resolver.lookup(SERVICE, {})

    assert [each.hosts[both.theirs].standing for each in (once, again, confirmed)] == [
        *(Standing.ACKNOWLEDGED, Standing.UNKNOWN, Standing.ACKNOWLEDGED)
    ]
    assert [each.ok for each in (once, again, confirmed)] == [True, False, True]
    assert {url: answer.verdict for url, answer in answers.by_host.items()} == {
        both.theirs: Verdict.ANSWERED,
        both.ours: Verdict.LAGGING,  # nobody has told it
    }
    assert sorted(str(each.outpoint) for each in answers.live) == outpoints(publication)
