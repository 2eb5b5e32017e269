"""The server's side of BRC-31, by a client that is strict."""

from __future__ import annotations

import pytest

from reconciler.clients.http import HttpClient
from reconciler.store.replays import Replays
from reconciler.web.auth import Authenticated
from reconciler.web.authrite import Authrite
from reconciler.web.sessions import Sessions
from reconciler.web.whole import LIMIT
from reconciler.wire.auth import encoded
from reconciler.wire.authrite import PATH, InitialRequest, handshake_preimage, signature_key
from reconciler.wire.canonical import canonical_json
from tests.authenticating import APP, ORIGIN, Dice, House, keys_of
from tests.authrite_client import AuthriteClient


class Server(House):
    """A server that takes BRC-103/104 and BRC-31."""

    def app(self, name="sessions"):
        sessions = Sessions(keys=self.server, replays=Replays(self.database), clock=self.clock, randomness=Dice(name))
        known = {"keys": self.server, "sessions": sessions, "randomness": Dice("answers")}
        return Authrite(Authenticated(APP, **known), **known)


@pytest.fixture
def server(database):
    return Server(database)


@pytest.fixture
async def http(server):
    async with HttpClient(apps={ORIGIN: server.app()}) as http:
        yield http


@pytest.fixture
def client(http):
    return AuthriteClient(http, keys_of("client"), ORIGIN)


async def test_a_request_is_its_signers_and_the_answer_the_servers(client):
    reply = await client.request("GET", "/a%20b/c?x=1&y=%2f")
    assert reply.json()["identity"] == client.keys.identity
    assert (reply.json()["path"], reply.json()["query"]) == ("/a b/c", "x=1&y=%2f")

    reply = await client.request("POST", "/post", b'{"a":[1,2]}')
    assert (reply.json()["identity"], reply.json()["body"]) == (client.keys.identity, '{"a":[1,2]}')
    assert client.server.identity == keys_of("server").identity


async def test_an_answer_without_a_body_gets_one_and_a_head_is_signed_as_empty(client):
    assert (await client.request("GET", "/empty/204")).body == b"{}"
    assert (await client.request("HEAD", "/whoami")).body == b""


async def test_whoever_claims_nothing_is_nobody(http):
    assert (await http.request("GET", f"{ORIGIN}/x")).json()["identity"] is None
    assert (await http.request("GET", f"{ORIGIN}/whoami")).status == 401


async def test_the_same_session_holds_in_another_process(client, server):
    await client.shake_hands()
    async with HttpClient(apps={ORIGIN: server.app("another")}) as http:
        client.http = http
        assert (await client.request("GET", "/whoami")).json() == {"identityKey": client.keys.identity}


async def test_a_session_ends(client, server):
    await client.shake_hands()
    server.clock.now += 3601
    reply = await client.send("GET", "/whoami", b"", await client.signed("GET", "/whoami"))
    assert (reply.status, reply.json()["code"]) == (401, "ERR_AUTHRITE_BAD_SERVER_NONCE")


async def test_a_request_is_taken_once(client):
    headers = await client.signed("POST", "/pay", b"{}")
    first, second = [await client.send("POST", "/pay", b"{}", headers) for _ in range(2)]
    assert (first.status, second.status) == (200, 401)
    assert second.json()["code"] == "ERR_AUTHRITE_INVALID_SIGNATURE"


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"identity": keys_of("somebody else").identity}, 401, "ERR_AUTHRITE_BAD_SERVER_NONCE"),
        ({"your_nonce": encoded(bytes(32))}, 401, "ERR_AUTHRITE_BAD_SERVER_NONCE"),
        ({"nonce": encoded(bytes(32))}, 401, "ERR_AUTHRITE_INVALID_SIGNATURE"),
        ({"initial_nonce": encoded(bytes(32))}, 401, "ERR_AUTHRITE_INVALID_SIGNATURE"),
        ({"signature": b"\x30\x06\x02\x01\x01\x02\x01\x01"}, 401, "ERR_AUTHRITE_INVALID_SIGNATURE"),
        ({"initial_nonce": ""}, 400, "ERR_AUTHRITE_MISSING_HEADERS"),
        ({"signature": b""}, 400, "ERR_AUTHRITE_MISSING_HEADERS"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_stamp_that_is_not_the_signers_is_refused(client, changed, status, code):
    reply = await client.send("GET", "/whoami", b"", await client.signed("GET", "/whoami", **changed))
    assert (reply.status, reply.json()["code"]) == (status, code)


@pytest.mark.parametrize(("path", "body"), [("/other", b""), ("/x?more=1", b""), ("/x", b'{"a":2}')])
async def test_what_was_signed_is_what_is_served(client, path, body):
    method = "POST" if body else "GET"
    headers = await client.signed(method, "/x", b'{"a":1}' if body else b"")
    assert (await client.send(method, path, body, headers)).status == 401


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"x-authrite": "0.1"}, "ERR_AUTHRITE_VERSION_MISMATCH"),
        ({"x-authrite-certificates": "{}"}, "ERR_AUTHRITE_BAD_CERTS"),
        ({"x-authrite-certificates": "["}, "ERR_AUTHRITE_BAD_CERTS"),
        ({"x-bsv-auth-version": "0.1"}, "ERR_AUTHRITE_MISSING_HEADERS"),
    ],
    ids=str,
)
async def test_what_is_not_of_this_version_or_of_two_is_refused(client, more, code):
    reply = await client.send("GET", "/whoami", b"", {**await client.signed("GET", "/whoami"), **more})
    assert (reply.status, reply.json()["code"]) == (400, code)


NONCE = encoded(bytes(32))
IDENTITY = keys_of("client").identity


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "ERR_BAD_REQUEST_BODY"),
        (b"{", "ERR_BAD_REQUEST_BODY"),
        (b"[]", "ERR_MISSING_AUTHRITE_VERSION"),
        (b"{}", "ERR_MISSING_AUTHRITE_VERSION"),
        (b'{"authrite":"0.1"}', "ERR_AUTHRITE_VERSION_MISMATCH"),
        (b'{"authrite":"0.2"}', "ERR_AUTHRITE_MISSING_INITIAL_REQUEST_PARAMS"),
        (
            canonical_json(InitialRequest(IDENTITY, encoded(bytes(7))).to_json()),
            "ERR_AUTHRITE_MISSING_INITIAL_REQUEST_PARAMS",
        ),
        (
            canonical_json(InitialRequest(IDENTITY, encoded(bytes(65))).to_json()),
            "ERR_AUTHRITE_MISSING_INITIAL_REQUEST_PARAMS",
        ),
        (
            canonical_json(InitialRequest("02" + "ff" * 32, NONCE).to_json()),
            "ERR_AUTHRITE_MISSING_INITIAL_REQUEST_PARAMS",
        ),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_a_handshake_that_is_none_is_refused(http, body, code):
    reply = await http.request("POST", ORIGIN + PATH, content=body, headers={"content-type": "application/json"})
    assert (reply.status, reply.json()["code"]) == (400, code)


async def test_a_handshake_is_posted_and_is_not_long(http):
    assert (await http.request("GET", ORIGIN + PATH)).status == 405
    assert (await http.request("POST", ORIGIN + PATH, content=bytes(1 << 19))).status == 413


async def test_the_handshake_is_signed_over_the_texts_of_the_nonces(client):
    server = await client.shake_hands()
    signed = handshake_preimage(client.nonce, server.nonce)
    assert signed == (client.nonce + server.nonce).encode()
    assert client.keys.verify(signature_key(client.nonce, server.nonce, server.identity), signed, server.signature)


async def test_a_body_beyond_the_limit_is_not_read(client):
    body = b'"' + b"a" * LIMIT + b'"'
    reply = await client.send("POST", "/x", body, await client.signed("POST", "/x", body))
    assert reply.status == 413


async def test_an_answer_that_does_not_end_is_given_up(client):
    assert (await client.request("GET", "/endless")).json()["code"] == "ERR_ANSWER_TOO_LONG"
