"""SHIP and SLAP: what a tracker takes in, shows, and goes on showing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.clients.trackers import Tracker
from reconciler.host.topics.advertisements import AdTopic
from reconciler.model.amounts import Satoshis
from reconciler.model.ids import AdProtocol, Outpoint
from reconciler.wire.advertisement import AdToken, check
from reconciler.wire.answer import parse_answer
from reconciler.wire.beef import parse_beef
from reconciler.wire.submission import Admittance
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "advertisement.json").read_text())
SHIP, SLAP = AdProtocol.SHIP, AdProtocol.SLAP
URL = "https://data.example.com"


def ship(keys, name: str = "tm_data_prices", url: str = URL) -> AdToken:
    return AdToken(SHIP, keys.identity, url, name)


def slap(keys, name: str = "ls_data_prices", url: str = URL) -> AdToken:
    return AdToken(SLAP, keys.identity, url, name)


async def reply(world, service, query):
    body = json.dumps({"service": service, "query": query}).encode()
    return await world.http.request("POST", "http://public.embedded/lookup", content=body)


async def shown(world, service, query) -> list[Outpoint]:
    return [found.outpoint for found in await world.host.lookup(service, query)]


async def names(world, service, query) -> list[str]:
    """Of one page, in the host's order."""
    found = []
    for output in parse_answer((await reply(world, service, query)).json()):
        beef, subject = parse_beef(output.beef)
        transaction = beef.transactions[beef.subject_or_last(subject)].transaction
        found.append(check(transaction, output.vout).name)
    return found


async def test_each_topic_takes_its_own_protocol(world):
    keys = world.keys()
    both = await world.ads(ship(keys), slap(keys))

    steak = await world.host.submit(both.submission("tm_ship", "tm_slap"))

    assert steak == {"tm_ship": Admittance(outputs=(0,)), "tm_slap": Admittance(outputs=(1,))}
    assert await shown(world, "ls_ship", {}) == [both.tokens[0].outpoint]
    assert await shown(world, "ls_slap", {}) == [both.tokens[1].outpoint]


def transaction_of(case) -> Transaction:
    output = TxOutput(Satoshis(1), bytes.fromhex(case["locking"]))
    return Transaction((TxInput(Outpoint("ab" * 32, 0), b"\x51"),), (output,))


@pytest.mark.parametrize("case", VECTORS["tokens"], ids=lambda case: f"{case['name']} {case['url']}"[:60])
def test_tokens_of_the_reference_are_admitted(case):
    for protocol in AdProtocol:
        admitted = AdTopic(protocol).admit(transaction_of(case), {}, None).outputs
        assert admitted == ((0,) if protocol == case["protocol"] else ())


@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: case["why"])
def test_tokens_that_the_reference_refuses_are_not_admitted(case):
    for protocol in AdProtocol:
        assert AdTopic(protocol).admit(transaction_of(case), {}, None) == Admittance()


async def test_this_machine_is_advertised_on_toy_networks_only(world):
    local = (await world.ads(ship(world.keys(), url="http://gateway.embedded"))).transaction

    assert AdTopic(SHIP, plain_http=True).admit(local, {}, None).outputs == (0,)
    assert AdTopic(SHIP).admit(local, {}, None).outputs == ()


@pytest.fixture
async def trackers(world):
    """Two identities' advertisements."""
    one, other = world.keys("one"), world.keys("other")
    first = await world.ads(ship(one, "tm_a"), ship(one, "tm_b"), slap(one, "ls_a"), keys=one)
    await world.host.submit(first.submission("tm_ship", "tm_slap"))
    elsewhere = "https://other.example"
    second = await world.ads(ship(other, "tm_c", elsewhere), slap(other, "ls_b", elsewhere), keys=other)
    await world.host.submit(second.submission("tm_ship", "tm_slap"))
    return world


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("findAll", ["tm_c", "tm_b", "tm_a"]),
        ({}, ["tm_c", "tm_b", "tm_a"]),
        ({"findAll": True}, ["tm_c", "tm_b", "tm_a"]),
        ({"findAll": True, "limit": 1, "skip": 1}, ["tm_b"]),
        ({"findAll": False, "sortOrder": "asc"}, ["tm_a", "tm_b", "tm_c"]),
        ({"sortOrder": "desc", "limit": 2}, ["tm_c", "tm_b"]),
        ({"topics": ["tm_a", "tm_c", "tm_z"]}, ["tm_c", "tm_a"]),
        ({"topics": []}, []),
        ({"domain": URL}, ["tm_b", "tm_a"]),
        ({"domain": URL, "topics": ["tm_b", "tm_c"]}, ["tm_b"]),
        ({"domain": URL + "/"}, []),
        ({"domain": "'; DROP TABLE host_ads; --"}, []),
    ],
)
async def test_all_fields_of_a_query_for_topics_hold(trackers, query, found):
    assert await names(trackers, "ls_ship", query) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("findAll", ["ls_b", "ls_a"]),
        ({"service": "ls_a"}, ["ls_a"]),
        ({"service": "tm_a"}, []),
        ({"service": "ls_b", "domain": URL}, []),
        ({"service": "ls_b", "domain": "https://other.example"}, ["ls_b"]),
    ],
)
async def test_all_fields_of_a_query_for_services_hold(trackers, query, found):
    assert await names(trackers, "ls_slap", query) == found


async def test_a_tracker_client_finds_an_identitys_ads_and_hosts_by_name(trackers):
    tracker, one = Tracker(trackers.host), trackers.keys("one").identity

    assert await tracker.tracks()
    assert [(ad.name, ad.url) for ad in await tracker.ads(one)] == [("tm_a", URL), ("tm_b", URL), ("ls_a", URL)]
    assert [ad.url for ad in await tracker.hosts_for("ls_b")] == ["https://other.example"]
    (ad,) = await tracker.hosts_for("tm_a")
    verified = await trackers.headers.verified(ad.beef, ad.outpoint.txid, now=int(trackers.clock()))
    assert verified.transaction == ad.transaction


@pytest.mark.parametrize("service", ["ls_ship", "ls_slap"])
@pytest.mark.parametrize(
    "query",
    [
        "all",
        [],
        7,
        {"colour": "red"},
        {"identityKey": "02"},
        {"identityKey": {"$ne": None}},
        {"domain": ["a"]},
        {"domain": "x" * 2000},
        {"topics": "tm_a", "service": "ls_a"},
        {"topics": [7]},
        {"topics": ["tm_a"] * 51},
        {"topics": {"$gt": ""}},
        {"service": ["ls_a"]},
        {"findAll": "yes"},
        {"findAll": True, "domain": URL},
        {"sortOrder": "up"},
        {"sortOrder": -1},
        {"limit": 0},
        {"limit": 51},
        {"skip": -1},
    ],
)
async def test_a_query_that_is_not_understood_to_the_last_field_is_refused(world, service, query):
    assert (await reply(world, service, query)).status == 400


async def test_a_duplicate_is_not_shown_twice_and_takes_over_when_the_first_is_spent(world):
    keys = world.keys()
    first, second = await world.ads(ship(keys)), await world.ads(ship(keys))
    for publication in (first, second):
        assert await world.submit(publication, "tm_ship") == Admittance(outputs=(0,))
    assert await shown(world, "ls_ship", {}) == [first.tokens[0].outpoint]

    revoked = await world.ads(replacing=[(first, 0)])
    assert await world.submit(revoked, "tm_ship") == Admittance(removed=(1,))

    assert await shown(world, "ls_ship", {}) == [second.tokens[0].outpoint]
    assert await shown(world, "ls_ship", {"identityKey": keys.identity}) == [second.tokens[0].outpoint]


async def test_an_ad_that_is_revoked_and_made_again_in_one_transaction_stays(world):
    keys = world.keys()
    first = await world.ads(ship(keys), slap(keys))
    await world.host.submit(first.submission("tm_ship", "tm_slap"))
    second = await world.ads(ship(keys), replacing=[(first, 0), (first, 1)])

    steak = await world.host.submit(second.submission("tm_ship", "tm_slap"))

    assert steak == {"tm_ship": Admittance(outputs=(0,), removed=(1,)), "tm_slap": Admittance(removed=(2,))}
    assert await shown(world, "ls_ship", {}) == [second.tokens[0].outpoint]
    assert await shown(world, "ls_slap", {}) == []


async def test_ads_that_differ_in_anything_are_all_shown(world):
    keys, other = world.keys(), world.keys("other")
    different = [ship(keys), ship(keys, "tm_other"), ship(keys, url="https://other.example")]
    await world.submit(await world.ads(*different), "tm_ship")
    await world.submit(await world.ads(ship(other), keys=other), "tm_ship")

    assert len(await shown(world, "ls_ship", {})) == 4


async def test_pages_follow_one_another_to_the_end(world):
    words = [f"tm_{a}_{b}" for a in "abcdefgh" for b in "abcdefgh"]
    await world.submit(await world.ads(*(ship(world.keys(), word) for word in words)), "tm_ship")

    assert len(await shown(world, "ls_ship", {})) == 64
    assert len((await reply(world, "ls_ship", "findAll")).json()["outputs"]) == 50


async def test_a_restarted_host_shows_what_it_showed(world):
    await world.submit(await world.ads(ship(world.keys())), "tm_ship")
    before = await shown(world, "ls_ship", {})

    world.serve()

    assert await shown(world, "ls_ship", {}) == before != []


async def test_the_documentation_says_which_key(world):
    url = "http://public.embedded/getDocumentationFor"
    topic = await world.http.request("GET", f"{url}TopicManager?manager=tm_slap")
    lookup = await world.http.request("GET", f"{url}LookupServiceProvider?lookupService=ls_ship")

    assert '[2, "service lookup availability"]' in topic.body.decode()
    assert "`topics`" in lookup.body.decode()
