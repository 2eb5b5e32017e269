"""The gateway as one ASGI app: producer, catalog and documents, the catalog as a page, and the producer's own host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp

from reconciler.gateway.allowances import ReceiptAllowances
from reconciler.gateway.answers import producer_json
from reconciler.gateway.audit import Audit, to_nobody
from reconciler.gateway.catalog import CatalogRoutes
from reconciler.gateway.counter import Counter
from reconciler.gateway.delivery import ContentRoute, Delivery
from reconciler.gateway.live import Shelf
from reconciler.gateway.metered import MeteredAllowances
from reconciler.gateway.openapi import DOCUMENT, SELLING
from reconciler.gateway.page import CONTENT_SECURITY_POLICY, catalog_page, empty_page
from reconciler.gateway.ports import Contents, GatewayKeys
from reconciler.gateway.query import find, parse_query
from reconciler.gateway.receipts import receipt_routes
from reconciler.gateway.settlements import settlement_routes
from reconciler.gateway.shop import Shop
from reconciler.gateway.standing import Standing, Standings
from reconciler.model.errors import RefusedError
from reconciler.model.ids import IdentityKey, digest
from reconciler.model.keys import GRANT_KEY
from reconciler.payments.till import Till
from reconciler.payments.treasury import Treasury
from reconciler.payments.undelivered import Undelivered
from reconciler.store.database import Database
from reconciler.store.replays import Replays
from reconciler.store.usage import Usage
from reconciler.web import openapi
from reconciler.web.auth import Authenticated, required_identity
from reconciler.web.authrite import Authrite
from reconciler.web.background import Turns, Work, always, at_work
from reconciler.web.lifespans import running
from reconciler.web.limits import Buckets, LimitedAddresses, LimitedIdentities, Limits
from reconciler.web.metrics import Metrics
from reconciler.web.origins import OpenOrigins
from reconciler.web.packetpay import read_either
from reconciler.web.problems import HANDLERS
from reconciler.web.sessions import Sessions

_FRESH: Final = {"cache-control": "no-cache"}
_PRIVATE: Final = {"cache-control": "no-store"}
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_PAGE_HEADERS: Final = {
    **_FRESH,
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

_LIMITED: Final = ("/v1/", "/.well-known/", "/authrite/")
"""What is limited by address: the host's routes have limits of their own."""


def build_app(
    *,
    database: Database,
    identity: IdentityKey,
    host: ASGIApp,
    keys: GatewayKeys | None,
    contents: Contents,
    clock: Callable[[], float],
    randomness: Callable[[int], bytes],
    metrics: Metrics | None = None,
    till: Till | None = None,
    treasury: Treasury | None = None,
    works: Sequence[Work] = (),
    audit: Audit = to_nobody,
    turns: Turns = always,
    limits: Limits | None = None,
) -> ASGIApp:
    """The gateway of the producer `identity` over its database.

    Every request sees what is live at that moment, whoever applied it. `host` is the producer's own host: what is not the
    gateway's is its, errors included, and its lifespan runs within this app's. `keys` are the gateway's own; without them it
    shows what is public, and nobody can authenticate to it. `contents` are what it delivers, with keys. Where there is a
    `till`, which has the same keys, it sells: `audit` is told what happens at the counter, and what goes on with payments in
    the background, and with what a `treasury` does with the money, and more `works`, goes on in `turns`. `limits` are on how often one client
    may ask. With `metrics` requests are counted, and what was counted is shown.
    """
    own = None if keys is None else keys.identity
    shelf = Shelf(database, own)
    shop = Shop(shelf=shelf, standings=Standings(database, Usage(database), clock), gateway=own, clock=clock)
    allowances = MeteredAllowances(ReceiptAllowances(database, clock), shop, audit)
    delivery = Delivery(shelf=shelf, contents=contents, allowances=allowances)
    counter = None
    if keys is not None and till is not None:
        counter = Counter(
            shop, till, delivery, database=database, keys=keys, randomness=randomness, audit=audit, read=read_either
        )
    routes = _Routes(shop, identity)
    api = [*routes.api(), *receipt_routes(database, clock, own)]
    if keys is not None:
        # Content first, since it is asked for most.
        api = [*_content(delivery, shop, keys, counter).routes(), *api, *_sale(database, identity, keys, counter)]
    if till is not None:
        works = [till.settling, Undelivered(database=database, till=till, stock=delivery, clock=clock).rounds, *works]
    if treasury is not None:
        works = [treasury.rounds, *works]

    app = Starlette(
        routes=[
            *routes.pages(),
            Mount("/v1", app=Router(api, redirect_slashes=False)),
            openapi.route(DOCUMENT if counter is None else SELLING),
            *([] if metrics is None else [metrics.route()]),
            Mount("/", app=host),
        ],
        exception_handlers=HANDLERS,
        lifespan=_lifespan(host, delivery, shop, [partial(turns, work) for work in works]),
    )
    return _guarded(app, database, keys, clock=clock, randomness=randomness, limits=limits or Limits())


def _lifespan(
    host: ASGIApp, delivery: Delivery, shop: Shop, works: Sequence[Work]
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """The host's within ours; what was counted is written at the end."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with running(host), at_work(*works):
            yield
        await delivery.settled()
        await shop.standings.written()

    return lifespan


def _sale(database: Database, identity: IdentityKey, keys: GatewayKeys, counter: Counter | None) -> list[Route]:
    """Where goods are bought, and where it is told what became of the money."""
    settlements = settlement_routes(database, producer=identity, gateway=keys.identity)
    return [*([] if counter is None else counter.routes()), *settlements]


def _content(delivery: Delivery, shop: Shop, keys: GatewayKeys, counter: Counter | None) -> ContentRoute:
    """Where content is had: for grants, and for payments where there is a counter."""
    return ContentRoute(
        delivery,
        shelf=shop.shelf,
        seal=partial(keys.mac, GRANT_KEY),
        clock=shop.clock,
        sale=None if counter is None else counter.sale,
        open_sale=None if counter is None else counter.open_sale,
    )


def _guarded(
    app: ASGIApp,
    database: Database,
    keys: GatewayKeys | None,
    *,
    clock: Callable[[], float],
    randomness: Callable[[int], bytes],
    limits: Limits,
) -> ASGIApp:
    """The app behind all who look at a request before it does."""
    if keys is not None:
        app = _authenticated(app, database, keys, clock=clock, randomness=randomness, limits=limits)
    if limits.address is not None:
        app = LimitedAddresses(app, Buckets(limits.address, clock), paths=_LIMITED)
    return OpenOrigins(app)


def _authenticated(
    app: ASGIApp,
    database: Database,
    keys: GatewayKeys,
    *,
    clock: Callable[[], float],
    randomness: Callable[[int], bytes],
    limits: Limits,
) -> ASGIApp:
    """The app for clients that say who they are, by BRC-103/104 or by Authrite, and ask no more often than one client may."""
    if limits.identity is not None:
        app = LimitedIdentities(app, Buckets(limits.identity, clock))
    sessions = Sessions(keys=keys, replays=Replays(database), clock=clock, randomness=randomness)
    app = Authenticated(app, keys=keys, sessions=sessions, randomness=randomness)
    return Authrite(app, keys=keys, sessions=sessions, randomness=randomness)


class _Routes:
    """Parse, read, render."""

    def __init__(self, shop: Shop, identity: IdentityKey) -> None:
        self._shop = shop
        self._shelf = shop.shelf
        self._identity = identity

    def pages(self) -> list[Route]:
        """What stands beside /v1."""
        return [
            Route("/", self.page),
            Route("/health/live", self.alive),
            *(Route(path, self.ready) for path in ("/health", "/health/ready")),
        ]

    def api(self) -> list[Route]:
        """What stands under /v1."""
        return [
            Route("/producer", self.producer),
            *CatalogRoutes(self._shelf).routes(),
            Route("/documents/{digest}", self.document),
            Route("/whoami", self.whoami),
        ]

    async def producer(self, _: Request) -> Response:
        live = await self._shelf.required()
        return JSONResponse(producer_json(live, await self._shelf.proof(live)), headers=_FRESH)

    async def document(self, request: Request) -> Response:
        try:
            wanted = digest(request.path_params["digest"])
        except ValueError as error:
            raise RefusedError(str(error)) from error
        data = await self._shelf.document(wanted)
        if data is None:
            raise RefusedError(f"there is no document {wanted} here", code="404")
        headers = {"etag": f'"{wanted}"', "cache-control": _FOR_EVER, "x-content-type-options": "nosniff"}
        return Response(data, media_type=_media_type(data), headers=headers)

    async def whoami(self, request: Request) -> Response:
        """Who asks, proven, and how they stand with this producer."""
        identity = required_identity(request)
        offers = await self._shelf.offers()
        standing = Standing.unknown(identity) if offers is None else await self._shop.standing(request, offers)
        return JSONResponse(standing.to_json(), headers=_PRIVATE)

    async def page(self, request: Request) -> Response:
        query = parse_query(request.query_params.multi_items())
        live = await self._shelf.live()
        if live is None:
            return HTMLResponse(empty_page(self._identity), headers=_PAGE_HEADERS)
        page = find(live, query)
        documents = await self._shelf.documents(page.entries)
        return HTMLResponse(catalog_page(live, query, page, documents), headers=_PAGE_HEADERS)

    async def ready(self, _: Request) -> Response:
        live = await self._shelf.live()
        return self._health(self._identity if live is None else live.root.producer)

    async def alive(self, _: Request) -> Response:
        return self._health(self._identity)

    def _health(self, identity: IdentityKey) -> Response:
        return JSONResponse({"status": "ok", "ready": True, "identityKey": identity}, headers=_FRESH)


def _media_type(document: bytes) -> str:
    """Documents are canonical JSON, but for the root's sealed one, which is CBOR."""
    return "application/json" if document.startswith(b'{"') else "application/octet-stream"
