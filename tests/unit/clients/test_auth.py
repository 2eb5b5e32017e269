"""The client's side of BRC-103/104, where a real server behaves."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from reconciler.clients.auth import AuthenticatedHttp, BrcAuth
from reconciler.clients.http import HttpClient
from reconciler.model.errors import RefusedError, VerificationError
from tests.authenticating import ORIGIN, Dice, House, keys_of


@pytest.fixture
def house(database) -> House:
    return House(database)


@pytest.fixture
def asked(house):
    """The paths that a server of ours is asked, and the server."""
    behind, paths = house.app(), []

    async def app(scope, receive, send):
        paths.append(scope["path"])
        await behind(scope, receive, send)

    return paths, app


async def test_many_first_requests_at_once_make_one_session(asked):
    paths, app = asked
    async with HttpClient(apps={ORIGIN: app}) as http:
        client = AuthenticatedHttp(http, keys_of("client"), randomness=Dice("client"))
        await asyncio.gather(*(client.request("GET", f"{ORIGIN}/whoami") for _ in range(20)))
    assert (paths.count("/.well-known/auth"), paths.count("/whoami")) == (1, 20)


async def test_sessions_are_one_for_each_origin(asked):
    paths, app = asked
    other = "http://other.embedded"
    async with HttpClient(apps={ORIGIN: app, other: app}) as http:
        client = AuthenticatedHttp(http, keys_of("client"), randomness=Dice("client"))
        for origin in (ORIGIN, other, ORIGIN):
            await client.request("GET", f"{origin}/whoami")
    assert paths.count("/.well-known/auth") == 2


async def test_what_is_streamed_was_verified_first(asked):
    _, app = asked
    async with HttpClient(apps={ORIGIN: app}) as http:
        client = AuthenticatedHttp(http, keys_of("client"), randomness=Dice("client"))
        async with client.stream(f"{ORIGIN}/impostor") as answer:
            body = b"".join([chunk async for chunk in answer.chunks()])
    assert (answer.status, body) == (200, b"signed by me")


async def test_a_body_that_comes_in_pieces_is_signed_whole(asked):
    async def pieces():
        yield b"a"
        yield b"b"

    _, app = asked
    async with HttpClient(apps={ORIGIN: app}) as http:
        client = AuthenticatedHttp(http, keys_of("client"), randomness=Dice("client"))
        reply = await client.request("POST", f"{ORIGIN}/b", headers={"content-type": "text/plain"}, content=pieces())
    assert reply.json()["body"] == "ab"


async def test_a_server_that_knows_nothing_of_it_is_refused():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"no"})

    async with HttpClient(apps={ORIGIN: app}) as http:
        with pytest.raises(RefusedError, match="404"):
            await AuthenticatedHttp(http, keys_of("client")).request("GET", f"{ORIGIN}/whoami")


def redirecting(house: House, paths: list[str]):
    """A server that sends everyone elsewhere, and answers there."""
    behind = house.app()

    async def app(scope, receive, send):
        paths.append(scope["path"])
        if scope["path"] != "/moved":
            await behind(scope, receive, send)
            return
        location = (b"location", b"http://elsewhere.example/whoami")
        await send({"type": "http.response.start", "status": 307, "headers": [location]})
        await send({"type": "http.response.body", "body": b""})

    return app


async def test_our_door_does_not_follow_a_redirect(house):
    paths = []
    async with HttpClient(apps={ORIGIN: redirecting(house, paths)}) as http:
        with pytest.raises(RefusedError, match="307"):
            await AuthenticatedHttp(http, keys_of("client")).request("GET", f"{ORIGIN}/moved")
    assert paths == ["/.well-known/auth", "/moved"]


@pytest.mark.parametrize(("follow", "error"), [(False, RefusedError), (True, VerificationError)])
async def test_an_answer_that_came_by_a_redirect_is_not_believed(house, follow, error):
    transport = httpx.ASGITransport(app=redirecting(house, []))
    async with httpx.AsyncClient(
        transport=transport, auth=BrcAuth(keys_of("client")), follow_redirects=follow
    ) as client:
        with pytest.raises(error):
            await client.get(f"{ORIGIN}/moved")


async def test_httpx_shakes_hands_again_when_the_session_is_over(house, asked):
    paths, app = asked
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), auth=BrcAuth(keys_of("client"))) as client:
        first = await client.get(f"{ORIGIN}/whoami")
        house.clock.now += 3601
        again = await client.post(f"{ORIGIN}/b", params={"x": "'"}, json={"a": 1.0})
    assert first.json() == {"identityKey": keys_of("client").identity}
    assert (again.json()["query"], again.json()["body"]) == ("x=%27", '{"a":1}')
    assert paths == ["/.well-known/auth", "/whoami", "/b", "/.well-known/auth", "/b"]


async def test_httpx_keeps_to_the_server_that_was_named(asked):
    _, app = asked
    auth = BrcAuth(keys_of("client"), servers={ORIGIN: keys_of("another server").identity})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), auth=auth) as client:
        with pytest.raises(VerificationError):
            await client.get(f"{ORIGIN}/whoami")
