"""GET /v1/settlements: what became of the money, for those whose it is (PROTOCOL §5).

The producer's identity is shown what was settled to it, a payee their own outputs of native payments: all that it takes to
spend a coin, proven, by the blocks that prove it. Nobody is shown anybody else's.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.model.errors import RefusedError
from reconciler.model.ids import IdentityKey, Outpoint, Txid
from reconciler.model.json import JsonObject
from reconciler.model.keys import KeyRef, payment_key
from reconciler.model.payout import PayoutKind
from reconciler.store.database import Database
from reconciler.store.payee_coins import PayeeCoin, PayeeCoins
from reconciler.store.payouts import Payout, Payouts, Place, Sum
from reconciler.store.works import Connection
from reconciler.web.auth import required_identity
from reconciler.wire.beef import Beef

PAGE: Final = 100
"""Coins in one answer."""

_PRIVATE: Final = {"cache-control": "no-store"}
_PLACE: Final = re.compile(r"(0|[1-9][0-9]{0,8})(?:\.([0-9a-f]{64}))?")


def settlement_routes(
    database: Database, *, producer: IdentityKey, gateway: IdentityKey, page: int = PAGE
) -> list[Route]:
    """What stands under /v1 of settlements, so many coins to a page."""
    return [Route("/settlements", _Desk(database, producer, gateway, page).list)]


@dataclass(frozen=True, slots=True)
class _Shown:
    """A coin of whoever asks. `height` is None where no block proves it yet."""

    outpoint: Outpoint
    satoshis: int
    key: KeyRef
    """As its owner names it."""
    state: str
    height: int | None
    beef: Beef

    def to_json(self) -> JsonObject:
        return {
            "txid": self.outpoint.txid,
            "vout": self.outpoint.vout,
            "satoshis": self.satoshis,
            "protocol": self.key.protocol,
            "keyId": self.key.key_id,
            "counterparty": self.key.counterparty,
            "state": self.state,
            "height": self.height,
            "beef": base64.b64encode(self.beef.to_atomic(self.outpoint.txid)).decode(),
        }


@dataclass(frozen=True, slots=True)
class _Page:
    proven: Sequence[_Shown]
    open: Sequence[_Shown]
    waiting: Sum
    is_full: bool

    def to_json(self) -> JsonObject:
        """What no block proves yet is there every time; `next` goes on behind the last that one does."""
        last = self.proven[-1] if self.is_full else None
        return {
            "settlements": [shown.to_json() for shown in (*self.proven, *self.open)],
            "unsettled": {"count": self.waiting.count, "satoshis": self.waiting.satoshis},
            "next": None if last is None else f"{last.height}.{last.outpoint.txid}",
        }


class _Desk:
    def __init__(self, database: Database, producer: IdentityKey, gateway: IdentityKey, size: int) -> None:
        self._database = database
        self._producer = producer
        self._gateway = gateway
        self._size = size

    async def list(self, request: Request) -> Response:
        """GET /v1/settlements?since=: from a height on, or from where the page before ended."""
        who = required_identity(request)
        since = _place(request.query_params.get("since", "0"))
        page = await self._database.read(lambda connection: self._page(connection, who, since))
        return JSONResponse(page.to_json(), headers=_PRIVATE)

    async def _page(self, connection: Connection, who: IdentityKey, since: Place) -> _Page:
        payouts, coins = Payouts(connection), PayeeCoins(connection, who)
        settled = await payouts.proven(who, PayoutKind.SETTLEMENT, since, self._size)
        given = await coins.proven(since, self._size)
        proven = [*map(self._settlement, settled), *map(self._portion, given)]
        proven.sort(key=lambda shown: (shown.height, shown.outpoint))
        waiting = await payouts.unsettled() if who == self._producer else await coins.waiting()
        on_the_way = await payouts.open(who, PayoutKind.SETTLEMENT)
        shown = proven[: self._size]
        return _Page(shown, [self._settlement(payout) for payout in on_the_way], waiting, len(shown) == self._size)

    def _settlement(self, payout: Payout) -> _Shown:
        key = KeyRef(payout.key.protocol, payout.key.key_id, self._gateway)
        return _Shown(
            payout.transaction.outpoint(0),
            payout.satoshis,
            key,
            payout.state.value,
            payout.height,
            payout.shown(),
        )

    def _portion(self, coin: PayeeCoin) -> _Shown:
        payment = coin.payment
        key = payment_key(payment.tender.prefix, str(coin.vout), self._gateway)
        outpoint = Outpoint(Txid(payment.txid), coin.vout)
        return _Shown(outpoint, coin.satoshis, key, "mined", payment.height, coin.shown())


def _place(text: str) -> Place:
    match = _PLACE.fullmatch(text)
    if match is None:
        raise RefusedError("since is a height, or what `next` of an answer says", code="400")
    return Place(int(match[1]), None if match[2] is None else Txid(match[2]))
