"""A storage host's HTTP surface, as the reference has it (WIRE §4.3), as one ASGI app.

Who brings, finds, lists and renews has proven who they are (BRC-103/104), and what has a price is paid for (BRC-105);
quotes and downloads are anybody's, and a PUT has leave by its URL.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from reconciler.model.errors import OverlayError, RefusedError, TransientError, UnreachableError, VerificationError
from reconciler.model.ids import Digest, digest
from reconciler.model.json import Json
from reconciler.model.keys import UPLOAD_KEY
from reconciler.payments.till import Till
from reconciler.storage.keeper import MISSING, Keeper, path_of
from reconciler.storage.openapi import DOCUMENT
from reconciler.storage.terms import Grant, Prices, Seal, Wish, checked_extension
from reconciler.web import openapi
from reconciler.web.auth import Authenticated, required_identity
from reconciler.web.background import in_background
from reconciler.web.bodies import SLOW, chunks, paced, read_json
from reconciler.web.content import HARMLESS, content
from reconciler.web.failures import UnauthorizedError
from reconciler.web.handshakes import Signer
from reconciler.web.origins import OpenOrigins
from reconciler.web.paywall import Paywall
from reconciler.web.sessions import Replays, Sessions
from reconciler.wire.uhrp import digest_of, url_of

_JSON_LIMIT: Final = 16 * 1024
_OBJECT_ID: Final = 16
"""Random bytes."""

_MEDIA_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+(; ?charset=[a-z0-9-]+)?", re.IGNORECASE)
_ANY_TYPE: Final = "application/octet-stream"
_PAGE: Final = 1000
"""Entries of one /list."""

_STATUS: Final = {MISSING: 404, "413": 413, SLOW: 408}
"""Of refusals that are not just 400."""

_TIDY_SECONDS: Final = 3600.0


def build_app(
    *,
    keeper: Keeper,
    keys: Signer,
    replays: Replays,
    till: Till,
    clock: Callable[[], float],
    randomness: Callable[[int], bytes],
    prices: Prices | None = None,
    uploads_at_once: int = 32,
    sweep_every: float | None = None,
) -> ASGIApp:
    """A host over what `keeper` keeps.

    `keys` are the host's own, and, as what `replays` remember and the `till` takes, the same in every process of it; `clock`
    gives unix seconds; `randomness` so many bytes. Without `prices` nothing costs anything. Above `uploads_at_once` in this
    process a PUT is told to come again. With `sweep_every` (seconds) expired objects and what dead processes left are removed
    in the background of the server's lifespan, and what became of payments is looked up.
    """
    routes = _Routes(
        keeper=keeper,
        seal=partial(keys.mac, UPLOAD_KEY),
        clock=clock,
        randomness=randomness,
        prices=prices or Prices(),
        paywall=Paywall(till),
        uploads_at_once=uploads_at_once,
    )
    app = Starlette(
        routes=[
            Route("/quote", routes.quote, methods=["POST"]),
            Route("/upload", routes.upload, methods=["POST"]),
            Route("/put", routes.put, methods=["PUT"]),
            Route("/find", routes.find),
            Route("/list", routes.list),
            Route("/renew", routes.renew, methods=["POST"]),
            Route("/cdn/{sha256}", routes.download),
            openapi.route(DOCUMENT),
            *(Route(path, _health) for path in ("/health", "/health/live", "/health/ready")),
        ],
        exception_handlers={
            UnauthorizedError: _unauthorized,
            RefusedError: _refused,
            VerificationError: _refused,
            TransientError: _unavailable,
            HTTPException: _no_route,
        },
        lifespan=in_background()
        if sweep_every is None
        else in_background(partial(_tend, keeper, sweep_every), till.settling),
    )
    sessions = Sessions(keys=keys, replays=replays, clock=clock, randomness=randomness)
    return OpenOrigins(Authenticated(app, keys=keys, sessions=sessions, randomness=randomness))


class _Routes:
    """Parse, call the keeper, render."""

    def __init__(
        self,
        *,
        keeper: Keeper,
        seal: Seal,
        clock: Callable[[], float],
        randomness: Callable[[int], bytes],
        prices: Prices,
        paywall: Paywall,
        uploads_at_once: int,
    ) -> None:
        self._keeper = keeper
        self._seal = seal
        self._clock = clock
        self._randomness = randomness
        self._prices = prices
        self._paywall = paywall
        self._free = uploads_at_once

    async def quote(self, request: Request) -> Response:
        wish = Wish.parse(await read_json(request, _JSON_LIMIT), unsized="ERR_NO_SIZE")
        return JSONResponse({"quote": self._prices.of(wish)})

    async def upload(self, request: Request) -> Response:
        """The same payment again gives the same URL: its object is named after the payment, and kept from when it came."""
        uploader = required_identity(request)
        wish = Wish.parse(await read_json(request, _JSON_LIMIT))
        admitted = await self._paywall.admit(request, wish.good, self._prices.of(wish))
        if isinstance(admitted, Response):
            return admitted
        since = int(self._clock()) if admitted.booked is None else admitted.booked
        grant = Grant(
            size=wish.size,
            object_id=admitted.payment or self._randomness(_OBJECT_ID).hex(),
            expires=since + wish.minutes * 60,
            uploader=uploader,
            sha256=wish.sha256,
        )
        answer = {
            "status": "success",
            "uploadURL": f"{self._keeper.base_url}/put?{grant.query(self._seal)}",
            "requiredHeaders": {},
            "amount": admitted.satoshis,
            "description": "File can now be uploaded.",
        }
        return self._paywall.deliver(admitted, JSONResponse(answer))

    async def put(self, request: Request) -> Response:
        grant = Grant.parse(request.query_params, self._seal, self._clock())
        if request.headers.get("content-length", str(grant.size)) != str(grant.size):
            raise RefusedError(f"the object must have the announced {grant.size} bytes", code="ERR_INVALID_SIZE")
        stated = request.headers.get("content-type", "")
        media_type = stated if _MEDIA_TYPE.fullmatch(stated) else _ANY_TYPE
        with self._slot():
            file = await self._keeper.receive(grant, paced(chunks(request)), media_type)
        return JSONResponse(
            {
                "status": "success",
                "uhrpUrl": url_of(file.sha256),
                "url": self._keeper.url(file.sha256),
                "size": file.size,
                "expiryTime": file.expires,
            }
        )

    async def find(self, request: Request) -> Response:
        uploader = required_identity(request)
        sha256 = _wanted(request.query_params.get("uhrpUrl"))
        file = await self._keeper.find(uploader, sha256)
        data = {
            "name": path_of(sha256),
            "size": str(file.size),  # the reference answers text
            "mimeType": file.media_type,
            "expiryTime": file.expires,
        }
        return JSONResponse({"status": "success", "data": data})

    async def list(self, request: Request) -> Response:
        uploader = required_identity(request)
        limit = min(_whole(request, "limit", _PAGE), _PAGE)
        skip = _whole(request, "offset", 0)
        files = await self._keeper.listing(uploader, limit=limit, skip=skip)
        uploads = [{"uhrpUrl": url_of(file.sha256), "expiryTime": file.expires} for file in files]
        return JSONResponse({"status": "success", "uploads": uploads})

    async def renew(self, request: Request) -> Response:
        uploader = required_identity(request)
        match await read_json(request, _JSON_LIMIT):
            case {"uhrpUrl": str(url), "additionalMinutes": int(minutes)} if not isinstance(minutes, bool):
                sha256 = _wanted(url)
            case _:
                raise RefusedError("uhrpUrl and additionalMinutes are needed", code="ERR_MISSING_FIELDS")
        file = await self._keeper.find(uploader, sha256)
        price = self._prices.of(Wish(file.size, checked_extension(minutes, file.expires - self._clock())))
        admitted = await self._paywall.admit(request, f"storage renewal {sha256} {minutes}", price)
        if isinstance(admitted, Response):
            return admitted
        renewal = await self._keeper.renew(sha256, minutes, payment=admitted.payment)
        answer = {
            "status": "success",
            "prevExpiryTime": renewal.before,
            "newExpiryTime": renewal.after,
            "amount": admitted.satoshis,
        }
        return self._paywall.deliver(admitted, JSONResponse(answer))

    async def download(self, request: Request) -> Response:
        try:
            sha256 = digest(request.path_params["sha256"])
        except ValueError as error:
            raise RefusedError(str(error), code=MISSING) from error
        file = await self._keeper.open(sha256)
        left = max(0, file.expires - int(self._clock()))
        return content(
            request,
            partial(self._keeper.read, file),
            size=file.size,
            etag=f'"{sha256}"',
            media_type=file.media_type,
            headers={**HARMLESS, "cache-control": f"public, max-age={left}, immutable"},
        )

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._free:
            raise UnreachableError("too many uploads are coming in")
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


def _whole(request: Request, name: str, default: int) -> int:
    """A whole number of the query. Raises RefusedError."""
    stated = request.query_params.get(name, str(default))
    if not (stated.isascii() and stated.isdigit() and len(stated) < 16):
        raise RefusedError(f"{name} must be a whole number", code="ERR_INVALID_PAGE")
    return int(stated)


def _wanted(url: str | None) -> Digest:
    if not url:
        raise RefusedError("you must provide a uhrpUrl", code="ERR_NO_UHRP_URL")
    try:
        return digest_of(url)
    except ValueError as error:
        raise RefusedError(str(error), code="ERR_NO_UHRP_URL") from error


def _error(code: str, description: str, status: int) -> Response:
    body: Json = {"status": "error", "code": code, "description": description}
    return JSONResponse(body, status_code=status, headers={"retry-after": "1"} if status == 503 else None)


async def _unauthorized(_: Request, __: Exception) -> Response:
    """The reference's storage hosts say 400 with this code, its other servers 401."""
    return _error("ERR_MISSING_IDENTITY_KEY", "Missing authfetch identityKey.", 401)


async def _refused(_: Request, error: Exception) -> Response:
    code = (error.code if isinstance(error, RefusedError) else "") or "ERR_INVALID_REQUEST"
    return _error(code, _sentence(error), _STATUS.get(code, 400))


async def _unavailable(_: Request, error: Exception) -> Response:
    return _error("ERR_UNAVAILABLE", _sentence(error), 503)


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return _error("ERR_ROUTE_NOT_FOUND", "Route not found.", 404 if status == 405 else status)


def _sentence(error: Exception) -> str:
    hint = error.hint if isinstance(error, OverlayError) else None
    return f"{error} ({hint})" if hint else str(error)


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok", "ready": True})


async def _tend(keeper: Keeper, pause: float) -> None:
    """What fails today, because a database or a bucket is away, is done in the next round."""
    due = 0.0
    while True:
        with suppress(TransientError):
            await keeper.sweep()
            if due <= 0:
                await keeper.tidy()
                due = _TIDY_SECONDS
        await asyncio.sleep(pause)
        due -= pause
