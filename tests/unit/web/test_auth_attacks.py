"""What a stranger tries against a server that authenticates, and a server against its client."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from reconciler.clients.auth import AuthenticatedHttp
from reconciler.clients.http import HttpClient
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.keys import KeyRef
from reconciler.store.database import Database
from reconciler.wire.conversation import Call
from reconciler.wire.handshake import MAX_BYTES
from tests.authenticating import ORIGIN, Dice, House, Tampering, changed, keys_of


@pytest.fixture
def house(database) -> House:
    return House(database)


@pytest.fixture
async def http(house) -> AsyncIterator[HttpClient]:
    async with HttpClient(apps={ORIGIN: house.app(body_bytes=10_000)}) as http:
        yield http


@pytest.fixture
def client(http) -> Tampering:
    return Tampering(http)


def is_refused(reply, code: str = "ERR_AUTH_FAILED") -> bool:
    """Whether it is refused, by nobody's signature, with something in the body."""
    assert "x-bsv-auth-signature" not in reply.headers
    return (reply.status, reply.json()["code"]) == (401, code)


async def test_the_same_request_again_is_refused(client):
    call = await client.signed()
    assert (await client.send(call)).status == 200
    assert is_refused(await client.send(call))


async def test_the_same_request_many_times_at_once_is_served_once(client):
    call = await client.signed()
    replies = await asyncio.gather(*(client.send(call) for _ in range(20)))
    assert sorted(reply.status for reply in replies) == [200] + [401] * 19


async def test_the_same_request_to_another_process_is_refused(client, house, database_url):
    call = await client.signed()
    other = Database.open(database_url)
    async with HttpClient(apps={ORIGIN: House(other, house.clock).app()}) as http:
        assert (await client.send(call)).status == 200
        assert is_refused(await Tampering(http).send(call))
        assert (await Tampering(http).send(await client.signed())).status == 200
    await other.close()


async def test_a_nonce_is_used_once_in_a_session_whatever_it_signs(client):
    client.peer._randomness = bytes  # zeros
    await client.shake_hands()
    first, second = await client.signed(), await client.signed(Call(method="GET", target="/other"))
    assert (await client.send(first)).status == 200
    assert is_refused(await client.send(second))


@pytest.mark.parametrize(
    "change",
    [
        {"method": "DELETE"},
        {"target": "/who%61mi"},
        {"target": "/whoami?"},
        {"target": "/whoami?admin=1"},
        {"target": "/b?x=1&y=3"},
        {"body": b'{"a":2}'},
        {"body": b""},
        {"body": b'{"a": 1}'},
    ],
)
async def test_what_was_changed_on_its_way_is_refused(client, change):
    json_type = {"content-type": "application/json", "x-bsv-thing": "1"}
    call = await client.signed(Call(method="POST", target="/b?x=1&y=2", headers=json_type, body=b'{"a":1}'))
    assert is_refused(await client.send(replace(call, **change)))
    assert (await client.send(call)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"x_bsv_thing": "2"},
        {"x_bsv_thing": ""},
        {"x_bsv_more": "1"},
        {"content_type": "text/plain"},
        {"authorization": "Bearer another"},
        {"x_bsv_auth_identity_key": keys_of("somebody else").identity},
        {"x_bsv_auth_nonce": base64.b64encode(bytes(32)).decode()},
        {"x_bsv_auth_request_id": base64.b64encode(bytes(32)).decode()},
        {"x_bsv_auth_version": "1.0"},
        {"x_bsv_auth_version": ""},
        {"x_bsv_auth_signature": "00"},
        {"x_bsv_auth_signature": ""},
        {"x_bsv_auth_signature": "badb" * 16},
        {"x_bsv_auth_signature": "zz"},
        {"x_bsv_auth_signature": "30" * 5000},
        {"x_bsv_auth_nonce": "not base64!"},
        {"x_bsv_auth_nonce": ""},
        {"x_bsv_auth_nonce": "A" * 4000},
        {"x_bsv_auth_your_nonce": ""},
        {"x_bsv_auth_your_nonce": base64.b64encode(bytes(48)).decode()},
        {"x_bsv_auth_your_nonce": base64.b64encode(bytes(3)).decode()},
        {"x_bsv_auth_request_id": base64.b64encode(bytes(31)).decode()},
        {"x_bsv_auth_identity_key": "02" + "ff" * 32},
        {"x_bsv_auth_identity_key": "04"},
        {"x_bsv_auth_identity_key": ""},
        {"x_bsv_a.b": "1"},
    ],
)
async def test_headers_that_were_changed_or_are_rubbish_are_refused(client, headers):
    sent = {"content-type": "application/json", "x-bsv-thing": "1", "authorization": "Bearer one"}
    call = await client.signed(Call(method="POST", target="/b", headers=sent, body=b"{}"))
    assert is_refused(await client.send(changed(call, **headers)))


@pytest.mark.parametrize("left", ["x-bsv-auth-version", "x-bsv-auth-identity-key", "x-bsv-auth-signature"])
async def test_who_claims_half_is_refused_and_not_taken_for_nobody(client, left):
    call = await client.signed()
    reply = await client.send(replace(call, headers={left: call.headers[left]}))
    assert is_refused(reply, "UNAUTHORIZED")


async def test_a_header_that_comes_twice_is_refused(client, house):
    call = await client.signed(Call(method="GET", target="/b", headers={"x-bsv-thing": "1"}))
    for twice in ("x-bsv-thing", "x-bsv-auth-nonce", "x-bsv-auth-identity-key"):
        raw = [(name.encode(), value.encode()) for name, value in (*call.headers.items(), (twice, call.headers[twice]))]
        assert await _status(house.app(), raw) == 401


async def _status(app, headers) -> int:
    scope = {"type": "http", "method": "GET", "path": "/b", "raw_path": b"/b", "query_string": b"", "headers": headers}
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"]


async def test_a_session_is_its_client_s_alone(client, http):
    mine, theirs = await client.shake_hands(), await Tampering(http, "thief").shake_hands()
    thief = Tampering(http, "thief")
    thief.peer.session = replace(theirs, server_nonce=mine.server_nonce)
    assert is_refused(await thief.send(await thief.signed()))


async def test_a_session_of_another_server_is_none_here(client, http, house):
    elsewhere = House(house.database, house.clock, keys_of("another server"))
    async with HttpClient(apps={ORIGIN: elsewhere.app()}) as other:
        foreign = await Tampering(other).shake_hands()
    session = await client.shake_hands()
    client.peer.session = replace(session, server_nonce=foreign.server_nonce)
    assert is_refused(await client.send(await client.signed()))


async def test_what_our_key_seals_for_another_purpose_is_no_session(client, house):
    session = await client.shake_hands()
    said = base64.b64decode(session.server_nonce)[:-32]
    for key in (KeyRef("auth session", "1", "self"), KeyRef("server hmac", "1", "self")):
        forged = base64.b64encode(said + house.server.mac(key, said)).decode()
        client.peer.session = replace(session, server_nonce=forged)
        assert is_refused(await client.send(await client.signed()))


async def test_a_session_that_is_over_is_lost_to_the_second(client, house):
    await client.shake_hands()
    house.clock.now += 3599
    assert (await client.send(await client.signed())).status == 200
    house.clock.now += 1
    reply = await client.send(await client.signed())
    assert is_refused(reply)
    assert reply.json()["description"].startswith("Session not found for nonce")


async def test_a_database_that_was_lost_ends_all_sessions(client, house, databases):
    call = await client.signed()
    assert (await client.send(call)).status == 200
    empty = Database.open(databases.create())
    async with HttpClient(apps={ORIGIN: House(empty, house.clock).app()}) as http:
        assert is_refused(await Tampering(http).send(call))
    await empty.close()


async def test_bodies_are_bounded_before_they_are_believed(client, http):
    call = await client.signed(Call(method="POST", target="/b", body=bytes(10_001)))
    reply = await client.send(call)
    assert (reply.status, reply.json()["code"]) == (413, "ERR_BODY_TOO_LONG")
    reply = await http.request("POST", f"{ORIGIN}/.well-known/auth", content=bytes(MAX_BYTES + 1))
    assert (reply.status, reply.json()["code"]) == (413, "ERR_BODY_TOO_LONG")


async def test_without_a_session_no_body_is_read(client, http):
    async def endless():
        while True:
            yield bytes(1000)

    call = changed(await client.signed(), x_bsv_auth_your_nonce=base64.b64encode(bytes(99)).decode())
    reply = await http.request("POST", f"{ORIGIN}/b", headers=call.headers, content=endless())
    assert is_refused(reply)


HANDSHAKE = {
    "version": "0.1",
    "messageType": "initialRequest",
    "identityKey": keys_of("client").identity,
    "initialNonce": base64.b64encode(bytes(48)).decode(),
    "requestedCertificates": {"certifiers": [], "types": {}},
}


@pytest.mark.parametrize(
    "change",
    [
        {"version": "1.0"},
        {"version": None},
        {"messageType": "general"},
        {"messageType": ["initialRequest"]},
        {"messageType": "initialResponse"},
        {"identityKey": ""},
        {"identityKey": 5},
        {"identityKey": "02" + "ff" * 32},
        {"initialNonce": None},
        {"initialNonce": ""},
        {"initialNonce": "AAA"},
        {"initialNonce": base64.b64encode(bytes(7)).decode()},
        {"initialNonce": base64.b64encode(bytes(65)).decode()},
        {"initialNonce": "A" * 100_000},
        {"requestedCertificates": []},
        {"requestedCertificates": {"certifiers": "all"}},
        {"requestedCertificates": {"certifiers": ["all"]}},
        {"requestedCertificates": {"certifiers": [keys_of("a").identity], "types": {"a": "b"}}},
        {"requestedCertificates": {"certifiers": [keys_of("a").identity] * 33}},
        {"messageType": "certificateResponse", "nonce": "AAAA", "yourNonce": "AAAA", "signature": [300]},
        {
            "messageType": "certificateResponse",
            "nonce": "AAAA",
            "yourNonce": "AAAA",
            "signature": [48],
            "certificates": 1,
        },
        {"messageType": "certificateResponse", "nonce": "AAAA", "yourNonce": "AAAA", "signature": [48] * 70},
        {"messageType": "certificateRequest", "nonce": "AAAA", "yourNonce": "AAAA", "signature": ["a"]},
    ],
)
async def test_handshakes_that_are_rubbish_are_refused(http, change):
    reply = await http.request(
        "POST", f"{ORIGIN}/.well-known/auth", content=json.dumps({**HANDSHAKE, **change}).encode()
    )
    assert reply.status == 401
    assert reply.body


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 200_000, b'{"a":1,"a":2}', b'"\\ud800"'])
async def test_what_is_no_message_is_refused(http, body):
    reply = await http.request("POST", f"{ORIGIN}/.well-known/auth", content=body)
    assert is_refused(reply, "UNAUTHORIZED")


async def test_messages_are_posted(http):
    reply = await http.request("GET", f"{ORIGIN}/.well-known/auth")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


async def test_many_handshakes_at_once_are_as_many_sessions(http):
    clients = [Tampering(http, f"client {number}") for number in range(20)]
    sessions = await asyncio.gather(*(each.shake_hands() for each in clients))
    assert len({session.server_nonce for session in sessions}) == 20


def tampered(**headers: str):
    """A server whose answers somebody changes."""

    def after(reply):
        return replace(
            reply, headers={**reply.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        )

    return after


@pytest.mark.parametrize(
    "after",
    [
        lambda reply: replace(reply, body=b'{"identityKey":"me"}'),
        lambda reply: replace(reply, body=b""),
        lambda reply: replace(reply, status=201),
        tampered(x_bsv_more="1"),
        tampered(authorization="Bearer me"),
        tampered(x_bsv_auth_request_id=base64.b64encode(bytes(32)).decode()),
        tampered(x_bsv_auth_your_nonce=base64.b64encode(bytes(48)).decode()),
        tampered(x_bsv_auth_nonce=base64.b64encode(bytes(32)).decode()),
        tampered(x_bsv_auth_identity_key=keys_of("another server").identity),
        tampered(x_bsv_auth_signature="00"),
        lambda reply: replace(reply, headers={}),
    ],
)
async def test_an_answer_that_the_server_did_not_sign_is_not_believed(http, after):
    door = Between(http, after)
    client = AuthenticatedHttp(door, keys_of("client"), randomness=Dice("client"))
    with pytest.raises(VerificationError):
        await client.request("GET", f"{ORIGIN}/whoami")


class Between:
    """Somebody between client and server, who changes answers but not handshakes."""

    def __init__(self, http, after) -> None:
        self._http = http
        self._after = after

    async def request(self, method, url, **options):
        reply = await self._http.request(method, url, **options)
        return reply if url.endswith("/.well-known/auth") else self._after(reply)


async def test_another_server_at_the_same_address_is_noticed(house):
    async with HttpClient(apps={ORIGIN: house.app()}) as http:
        client = AuthenticatedHttp(http, keys_of("client"), randomness=Dice("client"))
        await client.request("GET", f"{ORIGIN}/whoami")
        http.mount(ORIGIN, House(house.database, house.clock, keys_of("another server")).app())
        with pytest.raises(VerificationError, match=f"the server is {keys_of('another server').identity} now"):
            await client.request("GET", f"{ORIGIN}/whoami")


async def test_a_server_that_is_not_the_one_that_was_named_is_refused_before_anything_is_sent(house):
    asked = []

    async def app(scope, receive, send):
        asked.append(scope["path"])
        await house.app()(scope, receive, send)

    async with HttpClient(apps={ORIGIN: app}) as http:
        client = AuthenticatedHttp(http, keys_of("client"), servers={ORIGIN: keys_of("expected").identity})
        with pytest.raises(VerificationError):
            await client.request("POST", f"{ORIGIN}/secret", content=b"secret")
    assert asked == ["/.well-known/auth"]


@pytest.mark.parametrize(
    ("status", "error"), [(200, VerificationError), (401, RefusedError), (404, RefusedError), (503, UnreachableError)]
)
async def test_a_server_that_only_shakes_hands_is_not_asked_for_ever(house, status, error):
    asked = []

    async def app(scope, receive, send):
        asked.append(scope["path"])
        if scope["path"] == "/.well-known/auth":
            await house.app()(scope, receive, send)
        else:
            await PlainTextResponse("no", status)(scope, receive, send)

    async with HttpClient(apps={ORIGIN: app}) as http:
        client = AuthenticatedHttp(http, keys_of("client"), randomness=Dice("client"))
        with pytest.raises(error):
            await client.request("GET", f"{ORIGIN}/whoami")
        with pytest.raises(error):
            await client.request("GET", f"{ORIGIN}/whoami")
    assert asked.count("/.well-known/auth") <= 3
    assert asked.count("/whoami") <= 4


@pytest.mark.parametrize("answer", [{}, [], {"messageType": "initialResponse"}, "no", 5])
async def test_a_server_that_answers_handshakes_with_rubbish_is_refused(answer):
    async def rubbish(_):
        return JSONResponse(answer)

    app = Starlette(routes=[Route("/.well-known/auth", rubbish, methods=["POST"])])
    async with HttpClient(apps={ORIGIN: app}) as http:
        with pytest.raises(VerificationError):
            await AuthenticatedHttp(http, keys_of("client")).request("GET", f"{ORIGIN}/whoami")


async def test_headers_of_authentication_are_not_the_caller_s_to_set(http):
    with pytest.raises(ValueError, match="not the caller's"):
        await AuthenticatedHttp(http, keys_of("client")).request(
            "GET", f"{ORIGIN}/whoami", headers={"X-BSV-Auth-Identity-Key": keys_of("somebody else").identity}
        )
