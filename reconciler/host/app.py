"""A host's HTTP surface, as the reference has it (WIRE §4.1), as one ASGI app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from reconciler.host.admin import Admin
from reconciler.host.answers import Answer
from reconciler.host.engine import Engine
from reconciler.host.gasp import Gasp
from reconciler.host.health import Health
from reconciler.host.ingest import Ingest
from reconciler.host.neighbourhood import Dealings, Neighbourhood
from reconciler.host.openapi import DOCUMENT
from reconciler.host.ports import Chain, Statuses
from reconciler.host.proofs import Proofs
from reconciler.host.services import Lookup, Topic
from reconciler.model.errors import RefusedError, TransientError, VerificationError
from reconciler.model.ids import Outpoint, digest
from reconciler.model.json import JsonObject
from reconciler.store.database import Database
from reconciler.web import openapi
from reconciler.web.background import Turns, always, in_background
from reconciler.web.bodies import Room, read_json
from reconciler.web.operators import Operator
from reconciler.web.origins import OpenOrigins
from reconciler.wire.answer import AFTER, AGGREGATION, BINARY
from reconciler.wire.spv import Limits
from reconciler.wire.submission import parse_submission, steak_json

BODY_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of one request."""

_ROOM: Final = 4 * BODY_LIMIT
"""Bytes of all submissions that are worked on at one time."""

NAME: Final = "overlay-node"
"""What the reference calls a host that was given no name."""

_STATUSES: Final = frozenset({"401", "403", "404", "413"})
_QUERY_LIMIT: Final = 64 * 1024
_FOR_EVER: Final = "public, max-age=31536000, immutable"


def build_app(
    *,
    database: Database,
    headers: Chain,
    arc: Statuses,
    clock: Callable[[], float],
    topics: Sequence[Topic],
    lookups: Sequence[Lookup],
    body_limit: int = BODY_LIMIT,
    limits: Limits | None = None,
    refresh_every: float | None = None,
    more_lookups: Callable[[str], Lookup | None] = lambda _: None,
    name: str = NAME,
    network: str | None = None,
    callback_token: str | None = None,
    neighbourhood: Neighbourhood | None = None,
    operator: Operator | None = None,
    turns: Turns = always,
) -> ASGIApp:
    """A host that keeps what it takes in `database`; several processes may serve one, and ours shares the producer's.

    `clock` gives unix seconds; `limits` bound the ancestry that a submission may bring. With `refresh_every` (seconds) proofs
    are looked after in the background of the server's lifespan; without, requests set that off. `more_lookups` makes services
    that are answered without being listed, by name; they read what the listed ones have indexed. `name` and `network` are what
    /health says of this host. With `callback_token` ARC may report proofs: it has to show that token.
    `operator` says who may look after the host by the routes under /admin.
    With `neighbourhood` other hosts are told what is submitted here, and are caught up with, during the server's lifespan.
    `turns` are those in which this process does what one of all that serve this database is to do.
    """
    proofs = Proofs(
        database=database, chain=headers, statuses=arc, clock=clock, in_background=refresh_every is not None
    )
    dealings = None if neighbourhood is None else Dealings(neighbourhood, database=database, clock=clock)
    engine = Engine(
        database=database,
        chain=headers,
        proofs=proofs,
        topics=topics,
        lookups=lookups,
        clock=clock,
        limits=limits,
        more_lookups=more_lookups,
        outgoing=None if dealings is None else dealings.propagation,
    )
    about: JsonObject = {"name": name} if network is None else {"name": name, "network": network}
    admin = Admin(operator or Operator(), database=database, engine=engine, clock=clock, about=about)
    routes = [
        *_Routes(engine, body_limit).routes(),
        *Gasp(database, engine.topics).routes(),
        *([] if callback_token is None else Ingest(proofs, headers, callback_token).routes()),
        *admin.routes(),
        *(openapi.route(DOCUMENT, path) for path in (openapi.PATH, f"/host{openapi.PATH}")),
        *Health(database, engine, name=name, network=network).routes(),
    ]
    works = [
        None if refresh_every is None else partial(turns, partial(proofs.run, refresh_every)),
        *(() if dealings is None else dealings.works(engine, turns)),
    ]
    return OpenOrigins(Starlette(routes=routes, exception_handlers=_HANDLERS, lifespan=in_background(*works)))


class _Routes:
    """Parse, call the engine, render."""

    def __init__(self, engine: Engine, body_limit: int) -> None:
        self._engine = engine
        self._body_limit = body_limit
        self._room = Room(_ROOM)

    def routes(self) -> list[Route]:
        """The routes of BRC-22 and BRC-24, and that of documents."""
        return [
            Route("/submit", self.submit, methods=["POST"]),
            Route("/lookup", self.lookup, methods=["POST"]),
            Route("/listTopicManagers", self.topics),
            Route("/listLookupServiceProviders", self.lookups),
            Route("/getDocumentationForTopicManager", self.topic_documentation),
            Route("/getDocumentationForLookupServiceProvider", self.lookup_documentation),
            Route("/v1/documents/{digest}", self.document),
        ]

    async def submit(self, request: Request) -> Response:
        if request.headers.get("content-type") != BINARY:
            raise RefusedError(f"the content type must be {BINARY}")
        async with self._room.body(request, self._body_limit) as body:
            submission = parse_submission(request.headers, body)
            return JSONResponse(steak_json(await self._engine.submit(submission)))

    async def lookup(self, request: Request) -> Response:
        name, value = AGGREGATION
        aggregated = request.headers.get(name) == value
        match await read_json(request, _QUERY_LIMIT):
            case {"service": str(service), "query": query} if query is not None:
                form = Answer.aggregated if aggregated else Answer.plain
                body = await self._engine.lookup(service, query, form, after=_after(request))
            case _:
                raise RefusedError("the body must be an object with service, a text, and query")
        return Response(body, media_type=BINARY if aggregated else "application/json")

    async def topics(self, _: Request) -> Response:
        return JSONResponse({name: topic.about.to_json() for name, topic in self._engine.topics.items()})

    async def lookups(self, _: Request) -> Response:
        return JSONResponse({name: lookup.about.to_json() for name, lookup in self._engine.lookups.items()})

    async def topic_documentation(self, request: Request) -> Response:
        return _documentation(self._engine.topics.get(_asked_for(request, "manager")))

    async def lookup_documentation(self, request: Request) -> Response:
        return _documentation(self._engine.lookup_named(_asked_for(request, "lookupService")))

    async def document(self, request: Request) -> Response:
        try:
            wanted = digest(request.path_params["digest"])
        except ValueError as error:
            raise RefusedError(str(error)) from error
        data = await self._engine.document(wanted)
        if data is None:
            raise RefusedError(f"there is no document {wanted} here", code="404")
        return Response(data, media_type=BINARY, headers={"etag": f'"{wanted}"', "cache-control": _FOR_EVER})


def _after(request: Request) -> Outpoint | None:
    """The last output of the page before; None where that is not said, or not so that we understand it: `skip` is there, too."""
    said = request.headers.get(AFTER)
    try:
        return None if said is None else Outpoint.parse(said)
    except ValueError:
        return None


def _asked_for(request: Request, parameter: str) -> str:
    name = request.query_params.get(parameter)
    if name is None:
        raise RefusedError(f"the parameter {parameter} is missing")
    return name


def _documentation(service: Topic | Lookup | None) -> Response:
    text = "No documentation found!" if service is None else service.about.documentation
    return PlainTextResponse(text, media_type="text/markdown")


async def _refused(_: Request, error: Exception) -> Response:
    status = int(error.code) if isinstance(error, RefusedError) and error.code in _STATUSES else 400
    return JSONResponse({"status": "error", "message": str(error)}, status_code=status)


async def _unavailable(_: Request, error: Exception) -> Response:
    return JSONResponse({"status": "error", "message": str(error)}, status_code=503, headers={"retry-after": "1"})


async def _broken(_: Request, __: Exception) -> Response:
    """The server raises the error again, and logs it."""
    return JSONResponse({"status": "error", "message": "Unexpected error"}, status_code=500)


async def _no_route(_: Request, error: Exception) -> Response:
    """The reference answers an unknown method as an unknown route, too."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    body = {"status": "error", "code": "ERR_ROUTE_NOT_FOUND", "description": "Route not found."}
    return JSONResponse(body, status_code=404 if status == 405 else status)


_HANDLERS: Final[Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]]] = {
    RefusedError: _refused,
    VerificationError: _refused,
    TransientError: _unavailable,
    HTTPException: _no_route,
    Exception: _broken,
}
