"""Catching up with other hosts, and telling them: three hosts on one chain, reached over HTTP."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import pytest

from reconciler.clients.http import HttpClient
from reconciler.clients.peers import Neighbours, PeerClient
from reconciler.host import graphs
from reconciler.host.app import build_app
from reconciler.host.engine import Engine
from reconciler.host.lookups.advertisements import AdLookup
from reconciler.host.lookups.data_catalog import DataCatalogLookup
from reconciler.host.neighbourhood import Dealings, Neighbourhood
from reconciler.host.proofs import Proofs
from reconciler.host.topics.advertisements import AdTopic
from reconciler.host.topics.data_catalog import DataCatalogTopic
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import AdProtocol, Outpoint, Txid
from reconciler.store.database import Database
from reconciler.store.host_transactions import HostTransactions
from reconciler.store.outputs import Outputs
from reconciler.store.peers import Forwards, KnownPeers, Progresses
from reconciler.store.transactions import Transactions
from reconciler.wire import pushdrop
from reconciler.wire.advertisement import AdToken, preimage, signed_fields
from reconciler.wire.derivation import public_child
from reconciler.wire.gasp import PAGE, KnownOutput, ListAnswer, ListRequest, NodeRequest
from reconciler.wire.http import Reply
from reconciler.wire.merkle import path_of
from reconciler.wire.transaction import TxOutput

TOPIC = "tm_data_catalog"
ARC = "http://arc.embedded"
PUBLIC = "http://public.embedded"


def nobody(*but):
    """Who we are: nobody else."""

    async def own():
        return but

    return own


class Neighbour:
    """A host with a database of its own, which knows the public one."""

    def __init__(self, world, database, url, door=lambda http: http) -> None:
        self.url = url
        self.world = world
        self.database = database
        http = door(world.http)
        self.peers = Neighbours(
            http=http,
            strangers=http,
            hosts=[PUBLIC],
            own=nobody(url),
            verifier=world.headers,
            clock=world.clock,
            toy=True,
        )
        neighbourhood = Neighbourhood(peers=self.peers, dice=lambda: 1.0)
        self.dealings = Dealings(neighbourhood, database=database, clock=world.clock)
        topics = [DataCatalogTopic(), *(AdTopic(protocol, plain_http=True) for protocol in AdProtocol)]
        lookups = [DataCatalogLookup(), *map(AdLookup, AdProtocol)]
        proofs = Proofs(database=database, chain=world.headers, statuses=world.arc, clock=world.clock)
        self.engine = Engine(
            database=database,
            chain=world.headers,
            proofs=proofs,
            topics=topics,
            lookups=lookups,
            clock=world.clock,
            outgoing=self.dealings.propagation,
        )
        self.sync = self.dealings.synchroniser(self.engine)
        app = build_app(
            database=database,
            headers=world.headers,
            arc=world.arc,
            clock=world.clock,
            topics=topics,
            lookups=lookups,
            neighbourhood=neighbourhood,
        )
        world.http.mount(url, app)

    async def keeps(self, topic=TOPIC):
        async with self.database.reading() as connection:
            return [each.outpoint for each in await Outputs(connection).unspent(topic, 0, 1000)]

    async def shown(self):
        """What its catalog lists: complete tokens."""
        answer = await self.engine.lookup("ls_data_catalog", {}, lambda answer: answer)
        return {hit.outpoint for hit in answer.hits}


@pytest.fixture
async def neighbour(world, databases):
    """Makes neighbours."""
    opened = []

    def make(url="http://north.embedded", **more):
        opened.append(Database.open(databases.create()))
        return Neighbour(world, opened[-1], url, **more)

    yield make
    for database in opened:
        await database.close()


@pytest.fixture
async def published(world, make_dataset):
    """Publishes on the public host."""

    async def publish(*names, mined=False, **more):
        publication = await world.publish(*(make_dataset(world.keys(), name) for name in names), **more)
        await world.submit(publication)
        if mined:
            await world.send(publication)
            await world.ledger.mine()
            await world.found()
        return publication

    return publish


def outpoints(*publications):
    return [token.outpoint for publication in publications for token in publication.tokens]


async def test_an_empty_host_takes_everything_with_its_documents(world, neighbour, published):
    proven, unproven = await published("a", "b", mined=True), await published("c")
    north = neighbour()

    assert await north.sync.round() == 3  # the unproven one with the proven transaction that it spends

    assert await north.keeps() == outpoints(proven, unproven)
    assert await north.shown() == set(outpoints(proven, unproven))
    async with north.database.reading() as connection:
        stored = await Transactions(connection).get(proven.transaction.txid)
    assert stored.proof is not None


async def test_the_next_round_asks_for_what_is_new_and_fetches_nothing_twice(world, neighbour, published, door):
    asked = []
    north = neighbour(door=lambda http: door(http, before=lambda method, url: asked.append(url)))
    await published("a", "b")
    await north.sync.round()
    asked.clear()

    assert await north.sync.round() == 0
    assert [url for url in asked if "requestForeign" in url or "/documents/" in url] == []
    more = await published("c")
    assert await north.sync.round() == 2
    assert (await north.keeps())[-1:] == outpoints(more)
    async with north.database.reading() as connection:
        progress = await Progresses(connection).get(PUBLIC, TOPIC)
    assert progress.since == int(world.clock.now * 1000) + 2


async def test_after_a_day_everything_is_asked_for_once_more(world, neighbour, published):
    north = neighbour()
    both = await published("a"), await published("b")
    await north.sync.round()
    async with north.database.begin() as connection:
        lost, _ = await Outputs(connection).unspent(TOPIC, 0, 10)
        await HostTransactions(connection).evict([lost.outpoint.txid])

    assert await north.sync.round() == 0
    world.clock.now += 25 * 3600
    await north.sync.round()
    assert set(await north.keeps()) == set(outpoints(*both))


async def test_a_chain_of_unproven_transactions_is_taken_whole(world, neighbour, published):
    first = await published("a")
    second = await published("a", replacing=[(first, 0)])
    third = await published("a", replacing=[(second, 0)])
    north = neighbour()

    await north.sync.round()

    assert await north.keeps() == outpoints(third)
    assert await north.shown() == set(outpoints(third))


async def test_documents_that_a_peer_does_not_have_are_asked_of_others_later(world, neighbour, make_dataset):
    document = make_dataset(world.keys(), "a")
    publication = await world.publish(document)
    await world.host.submit(publication.submission(documents=()))  # nobody has brought it along
    north, south = neighbour(), neighbour("http://south.embedded")
    await north.sync.round()
    assert (await north.keeps(), await north.shown()) == (outpoints(publication), set())

    await south.engine.submit(publication.submission())
    assert await north.sync.hunt(TOPIC, [PUBLIC, south.url]) == 0  # not yet: it was asked for just now
    world.clock.now += 31
    assert await north.sync.hunt(TOPIC, [PUBLIC, south.url]) == 1

    assert await north.shown() == set(outpoints(publication))
    assert await north.sync.hunt(TOPIC, [PUBLIC, south.url]) == 0


async def test_pauses_between_two_questions_for_a_document_grow(world, neighbour, make_dataset, door):
    asked = []
    publication = await world.publish(make_dataset(world.keys(), "a"))
    await world.host.submit(publication.submission(documents=()))
    north = neighbour(door=lambda http: door(http, before=lambda method, url: asked.append(url)))
    await north.sync.round()
    times = []
    for _ in range(200):
        world.clock.now += 10
        asked.clear()
        await north.sync.hunt(TOPIC, [PUBLIC])
        if asked:
            times.append(world.clock.now)

    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses == [60, 120, 240, 480, 960]


class Liar:
    """A peer that changes what an honest one says."""

    def __init__(self, http, url, **changes):
        self._peer = PeerClient(http, url)
        self.url = url
        self._changes = changes
        self.asked = 0

    async def listed(self, topic, request):
        self.asked += 1
        answer = await self._peer.listed(topic, request)
        return self._changes.get("listed", lambda answer, request: answer)(answer, request)

    async def node(self, request):
        self.asked += 1
        if "request" in self._changes:
            request = self._changes["request"](request)
        node = await self._peer.node(request)
        return self._changes.get("node", lambda node: node)(node)

    async def document(self, digest):
        return await self._peer.document(digest)


class Known:
    """Satisfies host.ports.Peers: one peer."""

    def __init__(self, peer):
        self._peer = peer

    async def advertised(self, topic):
        return [self._peer.url]

    known = advertised

    def at(self, url):
        return self._peer


def led_by(north, peer):
    north.sync._peers = Known(peer)
    return peer


async def test_a_proof_that_does_not_lead_to_the_chain_is_not_believed(world, neighbour, published):
    good, bad = await published("a", mined=True), await published("b", mined=True)
    north = neighbour()

    def forge(node):
        if node.transaction.txid != bad.transaction.txid:
            return node
        return replace(node, proof=path_of([bad.transaction.txid], [0], node.proof.height))

    led_by(north, Liar(world.http, PUBLIC, node=forge))

    await north.sync.round()

    assert await north.keeps() == outpoints(good)
    async with north.database.reading() as connection:
        assert await Transactions(connection).get(bad.transaction.txid) is None


async def test_what_a_peer_could_not_give_is_asked_for_again_within_hours(world, neighbour, published):
    first, second = await published("a", mined=True), await published("b", mined=True)
    north, able = neighbour(), False

    def unable(node):
        if node.transaction.txid == first.transaction.txid and not able:
            raise RefusedError("not yet", code="400")
        return node

    led_by(north, Liar(world.http, PUBLIC, node=unable))
    await north.sync.round()
    assert await north.keeps() == outpoints(second)
    able = True
    world.clock.now += 60
    await north.sync.round()
    assert await north.keeps() == outpoints(second)  # its score has passed

    world.clock.now += 3600
    await north.sync.round()

    assert set(await north.keeps()) == set(outpoints(first, second))


async def test_outputs_of_another_topic_are_not_taken(world, neighbour, published):
    keys = world.keys()
    ads = await world.ads(AdToken(AdProtocol.SHIP, keys.identity, "https://north.example", "tm_other"))
    await world.submit(ads, "tm_ship")
    north = neighbour()
    peer = PeerClient(world.http, PUBLIC)

    class Mixed(Liar):
        async def listed(self, topic, request):
            return await peer.listed("tm_ship", request)

    led_by(north, Mixed(world.http, PUBLIC))
    caught = await north.sync.follow(PUBLIC, TOPIC)

    assert (caught.taken, caught.refused) == (0, 1)
    async with north.database.reading() as connection:
        assert await Transactions(connection).get(ads.transaction.txid) is None


async def test_a_list_without_end_ends(world, neighbour, published):
    def endless(_, request):
        start = request.since
        made = [KnownOutput(Outpoint(Txid(f"{start + n:064x}"), 0), start + n) for n in range(1, PAGE + 1)]
        return ListAnswer(tuple(made), request.since)

    north = neighbour()
    liar = led_by(north, Liar(world.http, PUBLIC, listed=endless))

    with pytest.raises(UnreachableError, match="lists what it does not give"):
        await north.sync.follow(PUBLIC, TOPIC)

    assert liar.asked < 1000


async def test_a_list_that_says_the_same_for_ever_ends(world, neighbour, published):
    await published("a")
    north = neighbour()

    def same(answer, request):
        return ListAnswer((answer.outputs or ())[:1] * PAGE, request.since)

    led_by(north, Liar(world.http, PUBLIC, listed=same))

    with pytest.raises(UnreachableError, match="without end"):
        await north.sync.follow(PUBLIC, TOPIC)


async def test_inputs_that_never_end_are_not_followed_for_ever(world, neighbour, published, monkeypatch):
    former = await published("a")
    for _ in range(12):
        former = await published("a", replacing=[(former, 0)])
    monkeypatch.setattr(graphs, "NODES", 10)
    north = neighbour()

    caught = await north.sync.follow(PUBLIC, TOPIC)

    assert (caught.taken, caught.refused) == (0, 1)
    assert await north.keeps() == []


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b'{"UTXOList": {}, "since": 0}',
        b'{"UTXOList": [7], "since": 0}',
        b'{"UTXOList": [{"txid": "x", "outputIndex": 0, "score": 1}], "since": 0}',
        b'{"UTXOList": [{"txid": "' + b"ab" * 32 + b'", "outputIndex": -1, "score": 1}], "since": 0}',
        b'{"UTXOList": [{"txid": "' + b"ab" * 32 + b'", "outputIndex": 0, "score": 1e300}], "since": 0}',
        b'{"UTXOList": ' + b"[" * 10_000,
        b"\xff" * 100,
        b"",
    ],
)
async def test_nonsense_is_held_against_a_peer_and_nothing_else(world, neighbour, door, body):
    def nonsense(method, url):
        return Reply(url, 200, {}, body) if url.endswith("/requestSyncResponse") else None

    north = neighbour(door=lambda http: door(http, before=nonsense))

    assert await north.sync.round() == 0

    async with north.database.reading() as connection:
        known = (await KnownPeers(connection).get([PUBLIC]))[PUBLIC]
    assert known.failures >= 1
    assert known.rests_until > world.clock.now


async def test_a_transaction_that_is_not_the_one_asked_for_is_nonsense(world, neighbour, published, door):
    real, other = await published("a"), await published("b")
    peer = PeerClient(world.http, PUBLIC)
    graph = real.tokens[0].outpoint
    elsewhere = await peer.node(NodeRequest(graph, other.tokens[0].outpoint))
    swapped = Reply("", 200, {}, json.dumps(elsewhere.to_json()).encode())
    lied = PeerClient(door(world.http, before=lambda method, url: swapped), PUBLIC)

    with pytest.raises(UnreachableError, match="answers nonsense: it gives"):
        await lied.node(NodeRequest(graph, graph))


async def test_a_peer_that_failed_is_left_in_peace_for_a_while_longer_each_time(world, neighbour, door):
    asked = []

    def down(method, url):
        asked.append(url)
        raise UnreachableError("it is down", where=url)

    north = neighbour(door=lambda http: door(http, before=down))
    times = []
    for _ in range(60):
        asked.clear()
        await north.sync.round()
        if any("requestSync" in url for url in asked):
            times.append(world.clock.now)
        world.clock.now += 10

    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses[:2] == sorted(pauses[:2])
    assert len(times) < 10


async def test_peers_are_ranked_by_how_they_behaved_and_somebody_new_is_heard(world, neighbour):
    north = neighbour()
    book = north.dealings._acquaintances
    for url, works, seconds in (("http://good", True, 1), ("http://fast", True, 0.1), ("http://bad", False, 0)):
        for _ in range(3):
            with suppress(UnreachableError):
                async with book.asked(url):
                    world.clock.now += seconds
                    if not works:
                        raise UnreachableError("no")
    urls = ["http://bad", "http://good", "http://new", "http://newer", "http://fast"]

    assert await book.best(urls, 2) == ("http://fast", "http://new")
    assert await book.best(urls, 9) == ("http://fast", "http://good", "http://new", "http://newer")
    world.clock.now += 3600
    assert await book.best(urls, 9) == ("http://fast", "http://good", "http://bad", "http://new", "http://newer")


# Telling others


async def advertise(world, url, topic=TOPIC, who="advertiser"):
    keys = world.keys(f"{who} {url}")
    token, money = AdToken(AdProtocol.SHIP, keys.identity, url, topic), await world.coin(keys)
    fields = (
        *signed_fields(token),
        keys.sign(token.key, preimage(token)),
    )  # also of what we would not advertise ourselves
    output = TxOutput(Satoshis(1), pushdrop.lock(public_child(keys.identity, token.key), fields))
    ads = world.signed(keys, [money.coin], [output], [money.beef], token_keys=[token.key])
    await world.submit(ads, "tm_ship")
    return ads


async def test_what_is_submitted_is_passed_on_to_those_who_advertise_the_topic(world, neighbour, make_dataset):
    north, south, east = (neighbour(f"http://{name}.embedded") for name in ("north", "south", "east"))
    await advertise(world, south.url)
    await advertise(world, east.url, topic="tm_other")
    publication = await world.publish(make_dataset(world.keys(), "a"))

    await north.engine.submit(publication.submission())
    assert await north.dealings.propagation.round() == 1

    assert await south.keeps() == outpoints(publication)
    assert await south.shown() == set(outpoints(publication))  # documents travelled along
    assert await east.keeps() == []
    assert await north.dealings.propagation.round() == 0


async def test_a_circle_of_hosts_comes_to_rest_and_nobody_tells_himself(world, neighbour, make_dataset):
    hosts = [neighbour(f"http://{name}.embedded") for name in ("north", "south", "east")]
    for host in hosts:
        await advertise(world, host.url)
    first = await world.publish(make_dataset(world.keys(), "a"))
    again = await world.publish(make_dataset(world.keys(), "a"), replacing=[(first, 0)])

    delivered = []
    for publication in (first, again):
        await hosts[0].engine.submit(publication.submission())
        for _ in range(4):
            delivered += [await host.dealings.propagation.round() for host in hosts]

    assert sum(delivered) == 2 * 3 * 2  # each host tells the two others once
    assert delivered[-3:] == [0, 0, 0]
    for host in hosts:
        assert await host.keeps() == outpoints(again)


async def test_what_came_by_gasp_or_twice_is_not_passed_on(world, neighbour, published, make_dataset):
    north, south = neighbour(), neighbour("http://south.embedded")
    await advertise(world, south.url)
    publication = await published("a")
    await north.sync.round()

    await north.engine.submit(publication.submission())

    assert await north.dealings.propagation.round() == 0
    assert await south.keeps() == []


async def test_a_peer_that_is_away_is_told_later_and_what_is_owed_outlives_the_process(
    world, neighbour, make_dataset, door
):
    away = True

    def gate(method, url):
        if away and url.startswith("http://south"):
            raise UnreachableError("it is away", where=url)

    north = neighbour(door=lambda http: door(http, before=gate))
    south = neighbour("http://south.embedded")
    await advertise(world, south.url)
    for name in ("a", "b", "c"):
        await north.engine.submit((await world.publish(make_dataset(world.keys(), name))).submission())

    assert await north.dealings.propagation.round() == 0
    asked = world.clock.now
    assert await north.dealings.propagation.round() == 0  # it rests
    away = False
    while not await south.keeps():
        world.clock.now += 1
        await Neighbour(world, north.database, north.url).dealings.propagation.round()

    assert 10 <= world.clock.now - asked <= 11
    assert len(await south.keeps()) == 3


async def test_a_peer_that_never_comes_back_is_given_up(world, neighbour, make_dataset, door):
    def gate(method, url):
        if url.startswith("http://south"):
            raise UnreachableError("it is away", where=url)

    north = neighbour(door=lambda http: door(http, before=gate))
    await advertise(world, "http://south.embedded")
    await north.engine.submit((await world.publish(make_dataset(world.keys(), "a"))).submission())

    for _ in range(20):
        await north.dealings.propagation.round()
        world.clock.now += 7 * 3600

    async with north.database.reading() as connection:
        assert await Forwards(connection).due_peers(2**60) == ()


async def test_a_refusal_ends_it(world, neighbour, make_dataset, door):
    def refuse(method, url):
        return Reply(url, 400, {}, b"{}") if url == "http://south.embedded/submit" else None

    north = neighbour(door=lambda http: door(http, before=refuse))
    await advertise(world, "http://south.embedded")
    await north.engine.submit((await world.publish(make_dataset(world.keys(), "a"))).submission())

    await north.dealings.propagation.round()

    async with north.database.reading() as connection:
        assert await Forwards(connection).due_peers(2**60) == ()


async def test_the_queue_is_bounded_and_the_oldest_are_given_up(world, neighbour):
    north = neighbour()
    async with north.database.begin() as connection:
        for number in range(5):
            await Forwards(connection).add(f"{number:064x}", ["tm_nobody"])
        assert await Forwards(connection).drop_beyond(3) == 2
        left = await Forwards(connection).unaddressed(10)

    assert [int(each.txid, 16) for each in left] == [2, 3, 4]


async def test_two_processes_share_what_is_owed(world, neighbour, make_dataset):
    north, south = neighbour(), neighbour("http://south.embedded")
    twin = Neighbour(world, north.database, north.url)
    await advertise(world, south.url)
    for name in ("a", "b", "c"):
        await north.engine.submit((await world.publish(make_dataset(world.keys(), name))).submission())
    await north.dealings.propagation._address()
    now = int(world.clock.now)
    async with north.database.begin() as connection:
        claimed = await Forwards(connection).claim(south.url, 2, now=now, until=now + 600)

    assert len(claimed) == 2  # by a process that died
    assert await twin.dealings.propagation.round() == 1
    world.clock.now += 601
    assert await twin.dealings.propagation.round() == 2


# Who the others are


@pytest.mark.parametrize(
    "url",
    [
        "https+bsvauth+smf://host.example",
        "wss://host.example",
        "js8c+bsvauth+smf:?lat=40&long=130&freq=40meters&radius=1000miles",
        "https://host.example/",
    ],
)
async def test_only_origins_that_a_client_can_use_are_followed(world, neighbour, url):
    await advertise(world, url)

    assert await neighbour().peers.advertised(TOPIC) == ()


@pytest.mark.parametrize("url", ["https://10.0.0.7", "https://192.168.1.1", "https://[::1]", "https://169.254.169.254"])
async def test_nobody_leads_us_into_a_private_network(world, url):
    async with HttpClient(public_only=True) as door:
        neighbours = Neighbours(
            http=world.http, strangers=door, hosts=[PUBLIC], own=nobody(), verifier=world.headers, clock=world.clock
        )
        await advertise(world, url)

        for found in await neighbours.advertised(TOPIC):
            pytest.fail(f"{found} is followed")


async def test_a_name_that_leads_into_a_private_network_is_asked_nothing(world):
    async with HttpClient(public_only=True) as door:
        neighbours = Neighbours(
            http=world.http, strangers=door, hosts=[PUBLIC], own=nobody(), verifier=world.headers, clock=world.clock
        )
        assert neighbours.at("https://stranger.example")._host._http is door
        assert neighbours.at(PUBLIC)._host._http is world.http


async def test_an_advertisement_whose_transaction_does_not_hold_is_not_followed(world, neighbour, door):
    await advertise(world, "http://south.embedded")
    neighbours = neighbour().peers
    assert await neighbours.advertised(TOPIC) == ("http://south.embedded",)
    world.clock.now += 61

    class Doubting:
        async def verified(self, beef, subject, *, now):
            raise VerificationError("it does not hold")

    assert await replace(neighbours, verifier=Doubting()).advertised(TOPIC) == ()


async def test_trackers_are_asked_once_a_minute(world, neighbour, door):
    asked = []
    peers = neighbour(door=lambda http: door(http, before=lambda method, url: asked.append(url))).peers
    for _ in range(3):
        await peers.advertised(TOPIC)
    assert len(asked) == 1
    world.clock.now += 61
    await peers.advertised(TOPIC)
    assert len(asked) == 2


async def test_hosts_of_the_configuration_are_known_even_if_no_tracker_answers(world, neighbour, door):
    def down(method, url):
        raise UnreachableError("it is down", where=url)

    peers = neighbour(door=lambda http: door(http, before=down)).peers

    assert await peers.known(TOPIC) == (PUBLIC,)
    with pytest.raises(UnreachableError):
        await peers.advertised(TOPIC)


async def test_a_peer_is_asked_for_a_page_from_a_score_on(world, published):
    await published("a", "b", "c")
    peer = PeerClient(world.http, PUBLIC)
    first = await peer.listed(TOPIC, ListRequest(0, 2))

    rest = await peer.listed(TOPIC, ListRequest(first.outputs[-1].score, 2))

    assert [len(first.outputs), len(rest.outputs)] == [2, 2]
    assert first.outputs[1] == rest.outputs[0]
