"""The server's side of BRC-103/104, asked by our client in-process, and by hand where a client would not."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from reconciler.clients.auth import AuthenticatedHttp
from reconciler.clients.http import HttpClient
from reconciler.model.errors import UnreachableError
from reconciler.web.server import Door, serving
from tests.authenticating import ORIGIN, Dice, House, keys_of


@pytest.fixture
def house(database) -> House:
    return House(database)


async def test_the_app_behind_is_told_who_asks(house):
    async with house.client() as client:
        reply = await client.request("GET", f"{ORIGIN}/whoami")

    assert reply.json() == {"identityKey": keys_of("client").identity}
    assert client.identity_at(ORIGIN) == house.server.identity


async def test_who_claims_nothing_passes_as_nobody(house):
    async with HttpClient(apps={ORIGIN: house.app()}) as http:
        open_, closed = await http.request("GET", f"{ORIGIN}/open"), await http.request("GET", f"{ORIGIN}/whoami")

    assert (open_.status, open_.json()["identity"]) == (200, None)
    assert (closed.status, closed.json()["code"]) == (401, "UNAUTHORIZED")


async def test_method_path_query_headers_and_body_arrive_as_they_were_signed(house):
    async with house.client() as client:
        reply = await client.request(
            "POST",
            f"{ORIGIN}/a%20b/ü?x=1&y=%26",
            headers={"Content-Type": "application/json; charset=utf-8", "x-bsv-thing": "1"},
            content=b'{"b": 1.0, "a": "\\u00e9"}',
        )

    assert reply.json() == {
        "identity": keys_of("client").identity,
        "method": "POST",
        "path": "/a b/ü",
        "query": "x=1&y=%26",
        "body": '{"b":1,"a":"é"}',
    }


@pytest.mark.parametrize("status", [200, 204, 205, 404])
async def test_an_answer_without_a_body_gets_one(house, status):
    async with house.client() as client:
        reply = await client.request("GET", f"{ORIGIN}/empty/{status}")

    assert reply.body == b"{}"
    assert reply.status == (status if status in {200, 404} else 200)


async def test_what_may_have_no_body_is_signed_without(house):
    async with house.client() as client:
        head = await client.request("HEAD", f"{ORIGIN}/open")
        unchanged = await client.request("GET", f"{ORIGIN}/empty/304")

    assert (head.status, head.body, unchanged.status, unchanged.body) == (200, b"", 304, b"")


async def test_an_answer_that_is_too_long_to_be_signed_is_an_error_that_is_signed(house):
    async with house.client(app=house.app(body_bytes=5000)) as client:
        reply = await client.request("GET", f"{ORIGIN}/endless")

    assert (reply.status, reply.json()["code"]) == (500, "ERR_ANSWER_TOO_LONG")


async def test_the_app_cannot_speak_for_another_server(house):
    async with house.client() as client:
        reply = await client.request("GET", f"{ORIGIN}/impostor")

    assert reply.body == b"signed by me"
    assert reply.headers["x-bsv-auth-identity-key"] == house.server.identity


async def test_a_session_that_is_over_is_made_anew(house):
    async with house.client() as client:
        before = await client.request("GET", f"{ORIGIN}/whoami")
        house.clock.now += 3601
        after = await client.request("GET", f"{ORIGIN}/whoami")

    assert before.headers["x-bsv-auth-your-nonce"] != after.headers["x-bsv-auth-your-nonce"]


async def test_a_session_outlives_the_process_that_made_it(house):
    async with HttpClient(apps={ORIGIN: house.app()}) as http:
        client = AuthenticatedHttp(http, keys_of("client"), randomness=Dice("client"))
        before = await client.request("GET", f"{ORIGIN}/whoami")
        http.mount(ORIGIN, house.app())
        after = await client.request("GET", f"{ORIGIN}/whoami")

    assert before.headers["x-bsv-auth-your-nonce"] == after.headers["x-bsv-auth-your-nonce"]


async def test_headers_without_end_are_cut_off_and_the_server_goes_on(house):
    async with serving([Door(app=house.app(), host="127.0.0.1", port=0)]) as (url,):
        reading, writing = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writing.write(b"GET /whoami HTTP/1.1\r\nhost: a\r\nx-bsv-auth-request-id: ")
        with suppress(ConnectionError):
            for _ in range(200):
                writing.write(b"A" * 10_000)
                await writing.drain()
        answer = b""
        with suppress(ConnectionError):
            answer = await reading.read()
        writing.close()
        async with HttpClient() as http:
            reply = await AuthenticatedHttp(http, keys_of("client")).request("GET", f"{url}/whoami")

    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert reply.status == 200


class Busy:
    """A memory whose database does not answer."""

    async def epoch(self, fresh: bytes) -> bytes:
        raise UnreachableError("the database is busy")

    async def first(self, message: bytes, *, until: int, now: int) -> bool:
        raise UnreachableError("the database is busy")


async def test_where_nothing_can_be_written_down_nothing_is_served(house):
    app = house.app()
    async with house.client(app=app) as client:
        await client.request("GET", f"{ORIGIN}/whoami")
        app._sessions._replays = Busy()
        with pytest.raises(UnreachableError, match="503"):
            await client.request("GET", f"{ORIGIN}/whoami")
    app._sessions._epoch = None
    async with house.client("another client", app=app) as client:
        with pytest.raises(UnreachableError, match="503"):
            await client.request("GET", f"{ORIGIN}/whoami")
