"""A storage host's HTTP surface, as the reference has it (WIRE §4.3), as one ASGI app.

Who the uploader is, and payment, are put in front: `identify` says whom a request comes from.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from reconciler.model.errors import OverlayError, RefusedError, TransientError, VerificationError
from reconciler.model.ids import Digest, digest
from reconciler.model.json import Json
from reconciler.storage.keeper import Keeper, name_of
from reconciler.storage.terms import Grant, Prices, Wish, checked_minutes
from reconciler.web.background import in_background
from reconciler.web.bodies import chunks, read_json
from reconciler.web.origins import OpenOrigins
from reconciler.wire.uhrp import digest_of, url_of

ANONYMOUS: Final = "anonymous"

_JSON_LIMIT: Final = 16 * 1024
_OBJECT_ID: Final = 16
"""Random bytes."""

_MEDIA_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+(; ?charset=[a-z0-9-]+)?", re.IGNORECASE)
_ANY_TYPE: Final = "application/octet-stream"
_HARMLESS: Final = {"x-content-type-options": "nosniff", "content-security-policy": "sandbox"}
"""Strangers' content must not act as a page of this origin."""

_MISSING: Final = "ERR_NOT_FOUND"


def anonymous(_: Request) -> str:
    """An identity for everyone, while nothing in front of the host tells them apart."""
    return ANONYMOUS


def build_app(
    *,
    keeper: Keeper,
    secret: bytes,
    clock: Callable[[], float],
    randomness: Callable[[int], bytes],
    prices: Prices | None = None,
    identify: Callable[[Request], str] = anonymous,
    sweep_every: float | None = None,
) -> ASGIApp:
    """A host over what `keeper` keeps.

    `secret` signs upload URLs, and is the same in every process of the host; `clock` gives unix seconds; `randomness` so many
    bytes. With `sweep_every` (seconds) expired objects are removed in the background of the server's lifespan.
    """
    routes = _Routes(
        keeper=keeper,
        secret=secret,
        clock=clock,
        randomness=randomness,
        prices=prices or Prices(),
        identify=identify,
    )
    return OpenOrigins(
        Starlette(
            routes=[
                Route("/quote", routes.quote, methods=["POST"]),
                Route("/upload", routes.upload, methods=["POST"]),
                Route("/put", routes.put, methods=["PUT"]),
                Route("/find", routes.find),
                Route("/list", routes.list),
                Route("/renew", routes.renew, methods=["POST"]),
                Route("/cdn/{sha256}", routes.download),
                *(Route(path, _health) for path in ("/health", "/health/live", "/health/ready")),
            ],
            exception_handlers={
                RefusedError: _refused,
                VerificationError: _refused,
                TransientError: _unavailable,
                HTTPException: _no_route,
            },
            lifespan=in_background(None if sweep_every is None else partial(_sweep, keeper, clock, sweep_every)),
        )
    )


class _Routes:
    """Parse, call the keeper, render."""

    def __init__(
        self,
        *,
        keeper: Keeper,
        secret: bytes,
        clock: Callable[[], float],
        randomness: Callable[[int], bytes],
        prices: Prices,
        identify: Callable[[Request], str],
    ) -> None:
        self._keeper = keeper
        self._secret = secret
        self._clock = clock
        self._randomness = randomness
        self._prices = prices
        self._identify = identify

    async def quote(self, request: Request) -> Response:
        wish = Wish.parse(await read_json(request, _JSON_LIMIT))
        return JSONResponse({"quote": self._prices.of(wish)})

    async def upload(self, request: Request) -> Response:
        wish = Wish.parse(await read_json(request, _JSON_LIMIT))
        grant = Grant(
            size=wish.size,
            object_id=self._randomness(_OBJECT_ID).hex(),
            expires=int(self._clock()) + wish.minutes * 60,
            uploader=self._identify(request),
        )
        return JSONResponse(
            {
                "status": "success",
                "uploadURL": f"{self._keeper.base_url}/put?{grant.query(self._secret)}",
                "requiredHeaders": {},
                "amount": self._prices.of(wish),
                "description": "File can now be uploaded.",
            }
        )

    async def put(self, request: Request) -> Response:
        grant = Grant.parse(request.query_params, self._secret, self._clock())
        if request.headers.get("content-length", str(grant.size)) != str(grant.size):
            raise RefusedError(f"the object must have the announced {grant.size} bytes", code="ERR_INVALID_SIZE")
        stated = request.headers.get("content-type", "")
        media_type = stated if _MEDIA_TYPE.fullmatch(stated) else _ANY_TYPE
        file = await self._keeper.receive(grant, chunks(request), media_type)
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
        sha256 = _wanted(request.query_params.get("uhrpUrl"))
        file = await self._keeper.find(self._identify(request), sha256)
        if file is None:
            raise RefusedError(f"nothing with the hash {sha256} is kept for you", code=_MISSING)
        data = {
            "name": name_of(sha256),
            "size": str(file.size),  # the reference answers text
            "mimeType": file.media_type,
            "expiryTime": file.expires,
        }
        return JSONResponse({"status": "success", "data": data})

    async def list(self, request: Request) -> Response:
        files = await self._keeper.listing(self._identify(request))
        uploads = [{"uhrpUrl": url_of(file.sha256), "expiryTime": file.expires} for file in files]
        return JSONResponse({"status": "success", "uploads": uploads})

    async def renew(self, request: Request) -> Response:
        match await read_json(request, _JSON_LIMIT):
            case {"uhrpUrl": str(url), "additionalMinutes": int(minutes)} if not isinstance(minutes, bool):
                sha256 = _wanted(url)
                renewed = await self._keeper.renew(self._identify(request), sha256, checked_minutes(minutes))
            case _:
                raise RefusedError("uhrpUrl and additionalMinutes are needed", code="ERR_MISSING_FIELDS")
        return JSONResponse(
            {
                "status": "success",
                "prevExpiryTime": renewed.before,
                "newExpiryTime": renewed.after,
                "amount": self._prices.of(Wish(renewed.file.size, minutes)),
            }
        )

    async def download(self, request: Request) -> Response:
        try:
            sha256 = digest(request.path_params["sha256"])
        except ValueError as error:
            raise RefusedError(str(error), code=_MISSING) from error
        found = await self._keeper.open(sha256)
        if found is None:
            raise RefusedError(f"nothing with the hash {sha256} is kept here", code=_MISSING)
        file, path = found
        etag = f'"{sha256}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"etag": etag})
        return FileResponse(path, media_type=file.media_type, headers={"etag": etag, **_HARMLESS})


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


async def _refused(_: Request, error: Exception) -> Response:
    code = (error.code if isinstance(error, RefusedError) else "") or "ERR_INVALID_REQUEST"
    return _error(code, _sentence(error), {_MISSING: 404, "413": 413}.get(code, 400))


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


async def _sweep(keeper: Keeper, clock: Callable[[], float], pause: float) -> None:
    while True:
        await keeper.sweep(clock())
        await asyncio.sleep(pause)
