"""The server's side of BRC-103/104, asked by our client in-process, and by hand where a client would not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from reconciler.clients.auth import AuthenticatedHttp
from reconciler.clients.http import HttpClient
from reconciler.store.database import Database
from reconciler.store.replays import Replays
from reconciler.wallet.keys import Keys
from reconciler.web.auth import Authenticated, UnauthorizedError, identity_of, required_identity, unauthorized
from reconciler.web.sessions import Sessions

ORIGIN = "http://gateway.embedded"


def keys_of(name: str) -> Keys:
    return Keys(sha256(name.encode()).digest())


class Dice:
    """Randomness that repeats itself with the test."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._numbers = count()

    def __call__(self, size: int) -> bytes:
        said = b""
        while len(said) < size:
            said += sha256(f"{self._name} {next(self._numbers)}".encode()).digest()
        return said[:size]


@dataclass
class Clock:
    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


async def echo(request: Request) -> Response:
    """What the app behind has been told."""
    body = await request.body()
    said = {
        "identity": identity_of(request),
        "method": request.method,
        "path": request.url.path,
        "query": request.url.query,
        "body": body.decode(),
    }
    return JSONResponse(said, headers={"x-bsv-answer": "ä"})


async def whoami(request: Request) -> Response:
    return JSONResponse({"identityKey": required_identity(request)})


async def empty(request: Request) -> Response:
    return Response(status_code=int(request.path_params["status"]))


async def endless(request: Request) -> Response:
    async def chunks():
        while True:
            yield bytes(1000)

    return StreamingResponse(chunks())


async def impostor(request: Request) -> Response:
    return Response("signed by me", headers={"x-bsv-auth-identity-key": "02" + "ab" * 32, "x-bsv-auth-signature": "00"})


APP = Starlette(
    routes=[
        Route("/whoami", whoami),
        Route("/empty/{status}", empty),
        Route("/endless", endless),
        Route("/impostor", impostor),
        Route("/{path:path}", echo, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
    ],
    exception_handlers={UnauthorizedError: unauthorized},
)


@dataclass
class House:
    """A server, and clients of it."""

    database: Database
    clock: Clock = field(default_factory=Clock)
    server: Keys = field(default_factory=lambda: keys_of("server"))

    def app(self, **options) -> Authenticated:
        """One process of the server."""
        sessions = Sessions(
            keys=self.server, replays=Replays(self.database), clock=self.clock, randomness=Dice("sessions")
        )
        return Authenticated(APP, keys=self.server, sessions=sessions, randomness=Dice("answers"), **options)

    @asynccontextmanager
    async def client(
        self, name: str = "client", app: ASGIApp | None = None, **options
    ) -> AsyncIterator[AuthenticatedHttp]:
        async with HttpClient(apps={ORIGIN: self.app() if app is None else app}) as http:
            yield AuthenticatedHttp(http, keys_of(name), randomness=Dice(name), **options)


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
