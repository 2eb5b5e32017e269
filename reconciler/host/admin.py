"""What a host's operator may do from afar, by the reference's routes: look, ban, evict (WIRE §4.1).

He proves who he is by BRC-103/104 as the producer, or shows a token. Without either nobody is let in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import ceil
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from reconciler.host.engine import Engine
from reconciler.model.errors import RefusedError
from reconciler.model.ids import AdProtocol, Outpoint, Txid, digest
from reconciler.model.json import Json, JsonObject
from reconciler.store.bans import Ban, Bans
from reconciler.store.database import Database
from reconciler.store.listings import Page
from reconciler.web.bodies import read_json
from reconciler.web.operators import Operator

_BODY: Final = 16 * 1024
_TEXT: Final = 512
_PAGE: Final = 50
_LARGEST_PAGE: Final = 200
_PAGES: Final = 1_000_000
_VOUTS: Final = range(1 << 32)


class Admin:
    """The routes under /admin."""

    def __init__(
        self, operator: Operator, *, database: Database, engine: Engine, clock: Callable[[], float], about: JsonObject
    ) -> None:
        self._operator = operator
        self._database = database
        self._engine = engine
        self._clock = clock
        self._about = about
        self._started = clock()

    def routes(self) -> list[BaseRoute]:
        """All of them; what is not `config` is the operator's alone."""
        return [
            Route("/admin/config", self.config),
            Route("/admin/stats", self.stats),
            Route("/admin/bans", self.bans),
            Route("/admin/ban", self.ban, methods=["POST"]),
            Route("/admin/unban", self.unban, methods=["POST"]),
            Route("/admin/evictOutpoint", self.evict, methods=["POST"]),
            *(Route(f"/admin/{protocol.lower()}-records", partial(self.ads, protocol)) for protocol in AdProtocol),
        ]

    async def config(self, _: Request) -> Response:
        """Whose key opens the rest; for pages that ask a wallet."""
        return JSONResponse({"adminIdentityKey": self._operator.identity, "nodeName": self._about["name"]})

    async def stats(self, request: Request) -> Response:
        """What the host keeps and answers."""
        self._operator.check(request)
        async with self._database.reading() as connection:
            bans = Bans(connection)
            domains, outputs = await bans.domains(), await bans.outputs()
            ads = {protocol: (await bans.ads(protocol, None, Page(1)))[0] for protocol in AdProtocol}
        return _success(
            {
                "nodeName": self._about["name"],
                "network": self._about.get("network"),
                "uptime": round((self._clock() - self._started) * 1000),
                **{f"{protocol.lower()}RecordCount": count for protocol, count in ads.items()},
                "bannedDomains": len(domains),
                "bannedOutpoints": len(outputs),
                "totalBans": len(domains) + len(outputs),
                "topicManagers": list(self._engine.topics),
                "lookupServices": list(self._engine.lookups),
            }
        )

    async def bans(self, request: Request) -> Response:
        """What is banned, of one kind (`type`) or of both."""
        self._operator.check(request)
        async with self._database.reading() as connection:
            found = {"domain": await Bans(connection).domains(), "outpoint": await Bans(connection).outputs()}
        kind = request.query_params.get("type")
        rows: list[JsonObject] = [
            {"type": each, "value": str(ban.value), "reason": ban.reason, "bannedAt": ban.since}
            for each, bans in found.items()
            if kind in {None, each}
            for ban in bans
        ]
        return _success({"bans": rows})

    async def ban(self, request: Request) -> Response:
        """`{type, value, reason?}`: show an output, or what advertises a domain, no more."""
        self._operator.check(request)
        asked = await _object(request)
        value, reason = _banned(asked), _text(asked, "reason", "")
        async with self._database.begin() as connection:
            await Bans(connection).ban(Ban(value, reason, int(self._clock())))
        return _done(f"{value} is banned")

    async def unban(self, request: Request) -> Response:
        """`{type, value}`: show it again."""
        self._operator.check(request)
        value = _banned(await _object(request))
        async with self._database.begin() as connection:
            await Bans(connection).unban(value)
        return _done(f"{value} is not banned")

    async def evict(self, request: Request) -> Response:
        """`{txid, outputIndex, service?}`: forget an output, for one look-up service or for all."""
        self._operator.check(request)
        match await _object(request):
            case {"txid": str(txid), "outputIndex": vout, **more} if type(vout) is int and vout in _VOUTS:
                outpoint = Outpoint(Txid(_digest(txid)), vout)
            case _:
                raise RefusedError("the body must have txid, a text, and outputIndex, a number")
        async with self._database.begin() as connection:
            await Bans(connection).evict(outpoint, self._topics(more.get("service")))
        return _done("Outpoint evicted")

    async def ads(self, protocol: AdProtocol, request: Request) -> Response:
        """The advertisements that are listed: `page`, `limit`, `search`."""
        self._operator.check(request)
        asked = request.query_params
        page, limit = _number(asked.get("page"), 1, _PAGES), _number(asked.get("limit"), _PAGE, _LARGEST_PAGE)
        search = (asked.get("search") or "")[:_TEXT]
        async with self._database.reading() as connection:
            total, found = await Bans(connection).ads(protocol, search, Page(limit, (page - 1) * limit))
        named = "topic" if protocol is AdProtocol.SHIP else "service"
        rows: list[JsonObject] = [
            {
                "txid": each.outpoint.txid,
                "outputIndex": each.outpoint.vout,
                "identityKey": each.identity,
                "domain": each.url,
                named: each.name,
            }
            for each in found
        ]
        return _success({"records": rows, "total": total, "page": page, "limit": limit, "pages": ceil(total / limit)})

    def _topics(self, service: Json) -> frozenset[str] | None:
        if service is None:
            return None
        lookup = self._engine.lookups.get(service) if isinstance(service, str) else None
        if lookup is None:
            raise RefusedError("there is no such look-up service here")
        return lookup.topics


def _banned(asked: Mapping[str, Json]) -> Outpoint | str:
    value = _text(asked, "value", None)
    match asked.get("type"):
        case "domain":
            return value
        case "outpoint":
            try:
                return Outpoint.parse(value)
            except ValueError as error:
                raise RefusedError(f"the value is no outpoint: {error}") from error
    raise RefusedError('type must be "domain" or "outpoint"')


def _text(asked: Mapping[str, Json], name: str, absent: str | None) -> str:
    value = asked.get(name, absent)
    if not isinstance(value, str) or len(value) > _TEXT or (absent is None and not value):
        raise RefusedError(f"{name} must be a text of at most {_TEXT} characters")
    return value


def _digest(txid: str) -> str:
    try:
        return digest(txid)
    except ValueError as error:
        raise RefusedError(f"the txid is none: {error}") from error


def _number(text: str | None, otherwise: int, most: int) -> int:
    """As the reference reads them: what is no number is none."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > len(str(most)):
        return otherwise
    return min(max(int(text), 1), most)


async def _object(request: Request) -> Mapping[str, Json]:
    asked = await read_json(request, _BODY)
    if not isinstance(asked, Mapping):
        raise RefusedError("the body must be a JSON object")
    return asked


def _success(data: JsonObject) -> Response:
    return JSONResponse({"status": "success", "data": data})


def _done(message: str) -> Response:
    return JSONResponse({"status": "success", "message": message})
