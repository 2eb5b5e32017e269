"""Receipts by their id and by their payment, for their buyer and nobody else (PROTOCOL §7).

So a buyer whose answer was lost finds what he paid for, and sees what is left of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.gateway.refunds import refund_json
from reconciler.model.errors import RefusedError
from reconciler.model.ids import IdentityKey, digest, txid
from reconciler.model.json import JsonObject
from reconciler.store.database import Database
from reconciler.store.receipts import Receipts, StoredReceipt
from reconciler.store.refunds import FindReturned
from reconciler.web.auth import required_identity

_PRIVATE: Final = {"cache-control": "no-store"}


def receipt_routes(database: Database, clock: Callable[[], float], gateway: IdentityKey | None) -> list[Route]:
    """What stands under /v1 of receipts. `clock` gives unix seconds; `gateway` is who refunds are from."""
    desk = _Desk(database, clock, gateway)
    return [Route("/receipts", desk.of_payment), Route("/receipts/{id}", desk.one)]


def receipt_json(stored: StoredReceipt, now: int) -> JsonObject:
    """A receipt, what it is worth, and what was had for it."""
    used = {"downloads": stored.used.downloads, "bytes": stored.used.bytes}
    return {"receipt": stored.receipt.to_json(), "state": stored.state(now).value, "used": used}


class _Desk:
    def __init__(self, database: Database, clock: Callable[[], float], gateway: IdentityKey | None) -> None:
        self._database = database
        self._clock = clock
        self._gateway = gateway

    async def one(self, request: Request) -> Response:
        """GET /v1/receipts/{id}."""
        buyer, wanted = required_identity(request), request.path_params["id"]
        try:
            found = await self._database.read(lambda connection: Receipts(connection).find(digest(wanted)))
        except ValueError:
            found = None
        mine = _own(found, buyer)
        if mine is None:
            raise RefusedError("you have no receipt of this id", code="404")
        return JSONResponse(receipt_json(mine, int(self._clock())), headers=_PRIVATE)

    async def of_payment(self, request: Request) -> Response:
        """GET /v1/receipts?txid=."""
        buyer = required_identity(request)
        try:
            payment = txid(request.query_params.get("txid", ""))
        except ValueError as error:
            raise RefusedError("name the transaction that paid: ?txid=", code="400") from error
        mine = _own(await self._database.read(lambda connection: Receipts(connection).of_payment(payment)), buyer)
        returned = await self._database.read(FindReturned(payment, buyer))
        if mine is None and returned is None:
            raise RefusedError("you have no receipt for this transaction", code="404")
        found = {"receipts": [] if mine is None else [receipt_json(mine, int(self._clock()))]}
        refund = {} if returned is None or self._gateway is None else {"refund": refund_json(returned, self._gateway)}
        return JSONResponse({**found, **refund}, headers=_PRIVATE)


def _own(stored: StoredReceipt | None, buyer: IdentityKey) -> StoredReceipt | None:
    """Nobody learns whether others have one."""
    return stored if stored is not None and stored.receipt.buyer == buyer else None
