"""POST /v1/quotes: what this buyer is asked for a good, and by which ways it can be paid.

Nothing is kept of a quote: its id is the BRC-105 derivation prefix of the price, which holds in every process until it expires.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote as quoted_url

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.gateway.audit import Audit, Event, Outcome, What
from reconciler.gateway.deals import Deal
from reconciler.gateway.delivery import SMALL
from reconciler.gateway.shop import Free, Shop, refusals
from reconciler.gateway.standing import Standing
from reconciler.gateway.wishes import read_wish
from reconciler.model.amounts import Satoshis
from reconciler.model.goods import Sold, TierId
from reconciler.model.ids import IdentityKey
from reconciler.model.json import JsonObject
from reconciler.model.payment import PaymentMethod
from reconciler.model.vocabulary import Way
from reconciler.payments.conditions import QUOTE_SECONDS
from reconciler.payments.quote import Offer
from reconciler.payments.till import Till
from reconciler.store.buyer_credits import Credits
from reconciler.store.database import Database
from reconciler.store.works import Connection
from reconciler.wire.payment import Charge

TEMPLATES: Final = "/v1/payments/templates"
"""Where a native payment begins."""

PRIVATE: Final = {"cache-control": "no-store"}


def path_of(sold: Sold, verb: str) -> str:
    """Where something is done with a good; names keep their slashes."""
    collection = "tiers" if isinstance(sold, TierId) else f"{sold.kind}s"
    return f"/v1/{collection}/{quoted_url(sold.name)}/{verb}"


def methods_of(deal: Deal) -> list[JsonObject]:
    """By which methods a deal can be paid, and where.

    Small content is bought by asking for it, too, by who does not say who he is: for what it costs anybody.
    """
    if deal.way is Way.NATIVE:
        return [{"method": PaymentMethod.NATIVE.value, "url": TEMPLATES}]
    methods: list[JsonObject] = [{"method": PaymentMethod.BRC105.value, "url": path_of(deal.good.sold, "access")}]
    if deal.size is not None and deal.size <= SMALL and deal.is_everybodys:
        methods.append({"method": PaymentMethod.BRC121.value, "url": path_of(deal.good.sold, "content")})
    return methods


class Quotes:
    """The route. `gateway` is whom payments are made out to."""

    def __init__(self, shop: Shop, till: Till, *, database: Database, gateway: IdentityKey, audit: Audit) -> None:
        self._shop = shop
        self._database = database
        self._till = till
        self._gateway = gateway
        self._audit = audit

    def routes(self) -> list[Route]:
        """What stands under /v1."""
        return [Route("/quotes", self.quote, methods=["POST"])]

    async def quote(self, request: Request) -> Response:
        """The price, or why there is none. What is free costs everybody nothing, whoever they are."""
        wanted, quantity = await read_wish(request)
        offers = await self._shop.offers()
        free = self._shop.free(offers, wanted)
        if free is not None:
            return JSONResponse(self._free(free, quantity), headers=PRIVATE)
        with refusals(self._audit, What.QUOTE, request, str(wanted)):
            standing = await self._shop.served(request, offers)
            standing.check_quota(self._shop.clock())
            deal = self._shop.deal(offers, wanted, quantity, standing.tier)
            deal.check_taken()
        quote = await self._quoted(deal, standing)
        self._shop.standings.answered(standing)
        self._audit(
            Event(
                what=What.QUOTE,
                outcome=Outcome.QUOTED,
                who=standing.consumer,
                good=str(deal.good),
                satoshis=deal.price,
            )
        )
        return JSONResponse(quote, headers=PRIVATE)

    async def _quoted(self, deal: Deal, standing: Standing) -> JsonObject:
        expires = int(self._shop.clock()) + deal.rule.window
        charge, credit = await self._charged(deal, standing.consumer, expires)
        return {
            "id": charge.prefix,
            "kind": str(deal.good.sold.kind),
            "name": deal.good.sold.name,
            "quantity": deal.good.quantity,
            "documentHash": deal.document,
            "satoshis": charge.satoshis,
            "listSatoshis": deal.listed,
            "tier": deal.tier.name,
            "discount": deal.tier.percentage,
            "credit": credit,
            "expires": expires,
            "recipient": self._gateway,
            "methods": methods_of(deal),
        }

    async def _charged(self, deal: Deal, buyer: IdentityKey, expires: int) -> tuple[Charge, int]:
        """What is to be paid, and how much less that is for what the buyer has paid before and got nothing for."""
        now = int(self._shop.clock())
        while True:
            left = await self._database.read(lambda connection: Credits(connection).available(buyer, now))
            credit = min(left, max(0, deal.price - deal.least))
            charge = self._till.charge(Offer(buyer, str(deal.good), Satoshis(deal.price - credit)), deal.conditions)
            if credit == 0 or await self._database.write(_Reserve(charge.prefix, buyer, credit, expires, now)):
                return charge, credit

    def _free(self, free: Free, quantity: int | None) -> JsonObject:
        return {
            "id": "",
            "kind": free.record.kind.value,
            "name": free.record.name,
            "quantity": quantity or 1,
            "documentHash": free.document,
            "satoshis": 0,
            "listSatoshis": 0,
            "tier": None,
            "discount": None,
            "credit": 0,
            "expires": int(self._shop.clock()) + QUOTE_SECONDS,
            "recipient": self._gateway,
            "methods": [],
        }


@dataclass(frozen=True, slots=True)
class _Reserve:
    """A work: take a part of a buyer's credit for a quote, unless another quote has taken it meanwhile."""

    quote: str
    buyer: IdentityKey
    credit: int
    expires: int
    now: int

    async def __call__(self, connection: Connection) -> bool:
        """Whether it was taken."""
        known = Credits(connection)
        if await known.available(self.buyer, self.now) < self.credit:
            return False
        await known.reserve(self.quote, self.buyer, Satoshis(self.credit), expires=self.expires)
        return True
