"""What an operator may do from afar, and that nobody else may."""

from __future__ import annotations

import json
import secrets

import pytest

from reconciler.clients.auth import AuthenticatedHttp
from reconciler.model.ids import AdProtocol
from reconciler.store.replays import Replays
from reconciler.web.auth import Authenticated
from reconciler.web.operators import Operator
from reconciler.web.sessions import Sessions
from reconciler.wire.advertisement import AdToken

HOST = "http://public.embedded"
TOKEN = {"authorization": "Bearer right"}
GUARDED = (
    ("GET", "/admin/stats"),
    ("GET", "/admin/bans"),
    ("GET", "/admin/ship-records"),
    ("GET", "/admin/slap-records"),
    ("POST", "/admin/ban"),
    ("POST", "/admin/unban"),
    ("POST", "/admin/evictOutpoint"),
)


@pytest.fixture
def operated(world):
    world.serve(
        operator=Operator(identity=world.keys("operator").identity, token="right"), name="north", network="main"
    )
    return world


async def ask(world, method, path, body=None, headers=TOKEN):
    content = None if body is None else json.dumps(body).encode()
    return await world.http.request(method, HOST + path, headers=headers, content=content)


def with_authentication(world):
    """The host behind the door that it has in `overlay serve`."""
    server = world.keys("server")
    sessions = Sessions(keys=server, replays=Replays(world.database), clock=world.clock, randomness=secrets.token_bytes)
    world.http.mount(HOST, Authenticated(world.app, keys=server, sessions=sessions, randomness=secrets.token_bytes))


async def test_nobody_gets_in_without_token_or_identity(operated):
    for headers, status in (
        ({}, 401),
        ({"authorization": "Basic right"}, 401),
        ({"authorization": "Bearer wrong"}, 403),
        ({"authorization": "Bearer "}, 403),
        ({"authorization": "Bearer rightly"}, 403),
    ):
        for method, path in GUARDED:
            reply = await ask(operated, method, path, {} if method == "POST" else None, headers)
            assert (reply.status, reply.json()["status"]) == (status, "error"), path


async def test_a_host_without_an_operator_lets_nobody_in(world):
    for headers, status in (({}, 401), (TOKEN, 403), ({"authorization": "Bearer "}, 403)):
        for method, path in GUARDED:
            assert (await ask(world, method, path, headers=headers)).status == status, path


async def test_the_operator_gets_in_as_himself_and_another_does_not(operated):
    with_authentication(operated)
    outpoint = {"type": "outpoint", "value": f"{'ab' * 32}.0"}

    for who, status in (("stranger", 403), ("operator", 200)):
        http = AuthenticatedHttp(operated.http, operated.keys(who))
        banned = await http.request(
            "POST",
            f"{HOST}/admin/ban",
            headers={"content-type": "application/json"},
            content=json.dumps(outpoint, separators=(",", ":")).encode(),
        )
        stats = await http.request("GET", f"{HOST}/admin/stats")
        assert (banned.status, stats.status) == (status, status), who
    assert stats.json()["data"]["bannedOutpoints"] == 1


async def test_whose_key_opens_it_is_no_secret(operated):
    reply = await ask(operated, "GET", "/admin/config", headers={})

    assert reply.json() == {"adminIdentityKey": operated.keys("operator").identity, "nodeName": "north"}


async def test_a_banned_output_is_not_shown_until_it_is_unbanned(operated, make_dataset):
    world = operated
    publication = await world.publish(make_dataset(world.keys(), "bad"), make_dataset(world.keys(), "good"))
    await world.submit(publication)
    banned = {"type": "outpoint", "value": str(publication.tokens[0].outpoint), "reason": "spam"}

    since = int(world.clock())
    assert (await ask(world, "POST", "/admin/ban", banned)).status == 200

    assert await world.names() == ["good"]
    assert await world.names(history=True) == ["good"]
    await world.submit(publication)  # which does not bring it back
    assert await world.names() == ["good"]
    (listed,) = (await ask(world, "GET", "/admin/bans?type=outpoint")).json()["data"]["bans"]
    assert listed == {**banned, "bannedAt": since}
    assert (await ask(world, "GET", "/admin/bans?type=domain")).json()["data"]["bans"] == []
    assert (await ask(world, "POST", "/admin/unban", banned)).status == 200
    assert await world.names() == ["good", "bad"]


async def test_a_banned_domain_is_advertised_no_more(operated):
    world, keys = operated, operated.keys()
    urls = ("https://bad.example", "https://good.example")
    tokens = [AdToken(AdProtocol.SHIP, keys.identity, url, "tm_data_prices") for url in urls]
    publication = await world.ads(*tokens)
    await world.submit(publication, "tm_ship")
    bad, good = [each.outpoint for each in publication.tokens]

    for value in ("bad.example", "https://bad.example"):
        await ask(world, "POST", "/admin/ban", {"type": "domain", "value": value})
        assert await world.host.outpoints("ls_ship", {}) == {good}
        stats = (await ask(world, "GET", "/admin/stats")).json()["data"]
        assert (stats["shipRecordCount"], stats["bannedDomains"], stats["totalBans"]) == (1, 1, 1)
        await ask(world, "POST", "/admin/unban", {"type": "domain", "value": value})
        assert await world.host.outpoints("ls_ship", {}) == {bad, good}


async def test_advertisements_are_listed_page_by_page(operated):
    world, keys = operated, operated.keys()
    urls = [f"https://h{number}.example" for number in range(3)]
    publication = await world.ads(*(AdToken(AdProtocol.SHIP, keys.identity, url, "tm_data_prices") for url in urls))
    await world.submit(publication, "tm_ship")

    async def page(query):
        return (await ask(world, "GET", f"/admin/ship-records{query}")).json()["data"]

    first, found = await page("?limit=2"), await page("?search=h1.")
    assert (first["total"], first["page"], first["limit"], first["pages"]) == (3, 1, 2, 2)
    assert [each["domain"] for each in first["records"]] == [urls[2], urls[1]]
    assert [each["domain"] for each in (await page("?limit=2&page=2"))["records"]] == [urls[0]]
    assert found["records"] == [
        {
            "txid": publication.transaction.txid,
            "outputIndex": 1,
            "identityKey": keys.identity,
            "domain": urls[1],
            "topic": "tm_data_prices",
        }
    ]
    for query in ("?page=0", "?page=-1", "?page=x", "?page=\u0661", "?limit=9999", "?search=%25"):
        answer = await page(query)
        assert (answer["page"], answer["limit"] in {50, 200}) == (1, True)
    assert (await page("?search=%25"))["total"] == 0
    assert (await ask(world, "GET", "/admin/slap-records")).json()["data"]["total"] == 0


async def test_an_evicted_output_is_gone_until_somebody_submits_it_again(operated, make_dataset):
    world = operated
    publication = await world.publish(make_dataset(world.keys(), "btc"))
    await world.submit(publication)
    evicted = {"txid": publication.transaction.txid, "outputIndex": 0}

    assert (await ask(world, "POST", "/admin/evictOutpoint", {**evicted, "service": "ls_ship"})).status == 200
    assert await world.names() == ["btc"]
    assert (await ask(world, "POST", "/admin/evictOutpoint", {**evicted, "service": "ls_data_catalog"})).status == 200
    assert await world.names(history=True) == []
    await world.submit(publication)
    assert await world.names() == ["btc"]
    assert (await ask(world, "POST", "/admin/evictOutpoint", evicted)).status == 200
    assert await world.names() == []


MISUNDERSTOOD = (
    ("ban", []),
    ("ban", {"type": "ip", "value": "x"}),
    ("ban", {"type": "domain"}),
    ("ban", {"type": "domain", "value": ""}),
    ("ban", {"type": "domain", "value": "x" * 3000}),
    ("ban", {"type": "domain", "value": {"$ne": 1}}),
    ("ban", {"type": "domain", "value": "x", "reason": 7}),
    ("ban", {"type": "outpoint", "value": "x.1"}),
    ("unban", {"type": "outpoint", "value": "ab.0"}),
    ("evictOutpoint", {"txid": "ab", "outputIndex": 0}),
    ("evictOutpoint", {"txid": "ab" * 32, "outputIndex": "0"}),
    ("evictOutpoint", {"txid": "ab" * 32, "outputIndex": -1}),
    ("evictOutpoint", {"txid": "ab" * 32, "outputIndex": True}),
    ("evictOutpoint", {"txid": "ab" * 32, "outputIndex": 0, "service": "ls_nowhere"}),
    ("evictOutpoint", {"txid": "ab" * 32, "outputIndex": 0, "service": 7}),
)


async def test_what_is_not_understood_changes_nothing(operated):
    for path, body in MISUNDERSTOOD:
        reply = await ask(operated, "POST", f"/admin/{path}", body)
        assert (reply.status, reply.json()["status"]) == (400, "error"), body

    assert (await ask(operated, "GET", "/admin/bans")).json()["data"] == {"bans": []}
