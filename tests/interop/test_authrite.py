"""authrite-js asks our server, and our messages ask authrite-express (BRC-31)."""

from __future__ import annotations

import asyncio
import json

import pytest

from reconciler.clients.http import HttpClient
from reconciler.store.replays import Replays
from reconciler.web.auth import Authenticated
from reconciler.web.authrite import Authrite
from reconciler.web.server import Door, serving
from reconciler.web.sessions import Sessions
from tests.authenticating import APP, Clock, Dice, keys_of
from tests.authrite_client import AuthriteClient

CLIENT = keys_of("authrite-js")
SERVER = keys_of("a server of Authrite")


@pytest.fixture
def ask(run_peer, database):
    """authrite-js takes steps against a server of ours."""

    async def ask(*steps):
        sessions = Sessions(keys=SERVER, replays=Replays(database), clock=Clock(), randomness=Dice("sessions"))
        known = {"keys": SERVER, "sessions": sessions, "randomness": Dice("answers")}
        app = Authrite(Authenticated(APP, **known), **known)
        async with serving([Door(app=app, host="127.0.0.1", port=0)]) as (url,):
            question = {"origin": url, "key": CLIENT.secret().hex(), "steps": steps}
            return await asyncio.to_thread(run_peer, "authrite.mjs", question)

    return ask


async def test_authrite_js_authenticates_and_verifies_what_we_answer(ask):
    read, written, spelled = await ask(
        {"path": "/whoami?a=1&b=%20"},
        {"path": "/things", "method": "POST", "body": {"text": "ä€", "list": [1, 2.5, None]}},
        {"path": "/things", "method": "PUT", "body": '{"b":1,"a":2}'},
    )
    assert (read["status"], json.loads(read["body"])) == (200, {"identityKey": CLIENT.identity})
    assert read["headers"]["x-authrite-identity-key"] == SERVER.identity
    said = json.loads(written["body"])
    assert said["identity"] == CLIENT.identity
    assert json.loads(said["body"]) == {"text": "ä€", "list": [1, 2.5, None]}
    assert json.loads(spelled["body"])["body"] == '{"b":1,"a":2}'


async def test_authrite_js_takes_an_answer_that_had_no_body(ask):
    (answer,) = await ask({"path": "/empty/204"})
    assert (answer["status"], answer["body"]) == (200, "{}")


@pytest.fixture
def reference(started_peer):
    return started_peer("authrited.mjs", {"key": SERVER.secret().hex()})


async def test_our_messages_authenticate_to_authrite_express(reference):
    async with reference as server, HttpClient() as http:
        client = AuthriteClient(http, CLIENT, server["url"])
        read = await client.request("GET", "/things?a=1&b=%20")
        written = await client.request("POST", "/things", '{"n":1,"text":"ä"}'.encode())

        assert client.server.identity == server["identityKey"] == SERVER.identity
        assert read.json() == {"identity": CLIENT.identity, "path": "/things?a=1&b=%20", "body": None}
        assert written.json()["body"] == {"n": 1, "text": "ä"}


async def test_authrite_express_refuses_what_we_refuse(reference):
    async with reference as server, HttpClient() as http:
        client = AuthriteClient(http, CLIENT, server["url"])
        headers = await client.signed("POST", "/things", b'{"n":1}')
        refused = await client.send("POST", "/things", b'{"n":2}', headers)
        bare = await client.send("POST", "/things", b'{"n":2}', {"x-authrite": "0.2"})

    assert (refused.status, refused.json()["code"]) == (401, "ERR_AUTHRITE_INVALID_SIGNATURE")
    assert (bare.status, bare.json()["code"]) == (400, "ERR_AUTHRITE_MISSING_HEADERS")
