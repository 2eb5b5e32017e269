"""A server that authenticates its clients, for tests on either side of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
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
from reconciler.web.auth import Authenticated, identity_of, required_identity
from reconciler.web.failures import UnauthorizedError, unauthorized
from reconciler.web.sessions import Sessions
from reconciler.wire.conversation import Call, Peer, Session
from reconciler.wire.http import Reply

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


class Tampering:
    """A client that signs honestly, and a hand that may change what it sends."""

    def __init__(self, http: HttpClient, name: str = "client") -> None:
        self.http = http
        self.peer = Peer(keys_of(name), randomness=Dice(f"{name}, tampering"))

    async def shake_hands(self) -> Session:
        """A session."""
        conversation = self.peer.shake_hands()
        reply = await self.send(next(conversation))
        with pytest.raises(StopIteration) as end:
            conversation.send(reply)
        return end.value.value

    async def signed(self, call: Call | None = None) -> Call:
        """A request as it would be sent."""
        if self.peer.session is None:
            await self.shake_hands()
        return next(self.peer.exchange(call or Call(method="GET", target="/whoami")))

    async def send(self, call: Call) -> Reply:
        return await self.http.request(call.method, ORIGIN + call.target, headers=call.headers, content=call.body)


def changed(call: Call, **headers: str) -> Call:
    """A request with other headers; an empty one is left out."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(call, headers={name: value for name, value in {**call.headers, **named}.items() if value})
