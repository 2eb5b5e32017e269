"""Certificates of the reference SDK, asked for and shown in both directions."""

from __future__ import annotations

import asyncio
import base64
import secrets

import pytest

from reconciler.clients.auth import AuthenticatedHttp
from reconciler.clients.http import HttpClient
from reconciler.model.errors import RefusedError, VerificationError
from reconciler.wallet.certificates import Holder
from reconciler.web.handshakes import Policy
from reconciler.web.server import Door, serving
from reconciler.wire.certificate import Certificate
from reconciler.wire.handshake import Wanted
from tests.authenticating import House, keys_of

TYPE = base64.b64encode(b"a type of thirty-two bytes, so.\n").decode()
OTHER = base64.b64encode(b"another type of thirty-two bytes").decode()
FIELDS = {"userName": "Żółw", "username": "turtle", "Email": "t@example.com", "cool_ness": "yes", "2nd": "x"}
CERTIFIER = keys_of("certifier")
WANTED = Wanted((CERTIFIER.identity,), {TYPE: ("userName", "Email")})
REVEALED = {"userName": "Żółw", "Email": "t@example.com"}


def issued(kind: str = TYPE, certifier: str = "certifier") -> dict:
    return {"certifier": keys_of(certifier).secret().hex(), "type": kind, "fields": FIELDS}


@pytest.fixture
def held(run_peer):
    """A certificate that the reference has issued to a party, as that party keeps it."""

    def held(name: str) -> Certificate:
        question = {"key": keys_of(name).secret().hex(), **issued()}
        return Certificate.parse_master(run_peer("issue.mjs", question))

    return held


def holder(name: str, certificate: Certificate) -> Holder:
    return Holder(keys_of(name), (certificate,), secrets.token_bytes)


@pytest.fixture
def ask(run_peer, database):
    """AuthFetch takes the steps against a server of ours with a policy."""

    async def ask(policy: Policy, *steps, **client):
        app = House(database).app(policy=policy)
        async with serving([Door(app=app, host="127.0.0.1", port=0)]) as (url,):
            question = {"origin": url, "key": keys_of("AuthFetch").secret().hex(), "steps": steps, **client}
            return await asyncio.to_thread(run_peer, "authfetch.mjs", question)

    return ask


async def test_authfetch_shows_what_we_ask_for(ask):
    seen = []

    def accept(identity, shown):
        seen.append((identity, [dict(each.fields) for each in shown]))

    policy = Policy(wanted=WANTED, accept=accept, seconds=5)
    ((answer,),) = await ask(policy, {"path": "/whoami"}, certificates=[issued(), issued(OTHER)])

    assert answer["status"] == 200
    assert seen == [(keys_of("AuthFetch").identity, [REVEALED])]


@pytest.mark.parametrize("certificates", [[], [issued(OTHER)], [issued(certifier="nobody")]])
async def test_without_what_we_ask_for_the_answer_is_408(ask, certificates):
    ((answer,),) = await ask(Policy(wanted=WANTED, seconds=0.2), {"path": "/whoami"}, certificates=certificates)

    assert answer["status"] == 408
    assert "CERTIFICATE_TIMEOUT" in answer["body"]


async def test_authfetch_opens_what_we_show(ask, held):
    policy = Policy(holder=holder("server", held("server")))
    wanted = WANTED.to_json()
    (answer,), shown, again = await ask(policy, {"path": "/whoami"}, {}, {"ask": wanted}, requested=wanted)

    assert answer["status"] == 200
    assert shown == again == [{"valid": True, "type": TYPE, "fields": REVEALED}]


async def test_our_client_shows_what_the_reference_asks_for(started_peer, held):
    question = {"key": keys_of("express").secret().hex(), "requested": WANTED.to_json()}
    ours = holder("client", held("client"))
    async with started_peer("express.mjs", question) as server, HttpClient() as http:
        client = AuthenticatedHttp(http, keys_of("client"), holder=ours)
        reply = await client.request("GET", server["url"])

    assert reply.json()["identityKey"] == keys_of("client").identity


async def test_our_client_opens_what_the_reference_shows(started_peer):
    question = {"key": keys_of("express").secret().hex(), "certificates": [issued(), issued(OTHER)]}
    async with started_peer("express.mjs", question) as server, HttpClient() as http:
        client = AuthenticatedHttp(http, keys_of("client"), wanted=WANTED)
        await client.request("GET", server["url"])
        (shown,) = client.shown_at(server["url"])
        lacking = Wanted((CERTIFIER.identity,), {base64.b64encode(bytes(32)).decode(): ()})
        unsatisfied = AuthenticatedHttp(http, keys_of("client"), wanted=lacking)
        with pytest.raises(VerificationError, match="were not given"):
            await unsatisfied.request("GET", server["url"])

    assert shown.fields == REVEALED


async def test_our_client_and_our_server_show_each_other_theirs(database, held):
    policy = Policy(wanted=WANTED, holder=holder("server", held("server")), seconds=0)
    app = House(database).app(policy=policy)
    async with HttpClient(apps={"http://gateway.embedded": app}) as http:
        client = AuthenticatedHttp(http, keys_of("client"), wanted=WANTED, holder=holder("client", held("client")))
        reply = await client.request("GET", "http://gateway.embedded/whoami")
        stolen = AuthenticatedHttp(http, keys_of("thief"), holder=Stolen(holder("client", held("client"))))
        with pytest.raises(RefusedError, match="401"):
            await stolen.request("GET", "http://gateway.embedded/whoami")

    assert reply.status == 200
    assert [each.fields for each in client.shown_at("http://gateway.embedded")] == [REVEALED]


class Stolen:
    """Somebody else's certificates."""

    def __init__(self, holder: Holder) -> None:
        self.shown = holder.shown
