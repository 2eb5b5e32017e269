"""POST /v1/datasets/{name}/access and /v1/tiers/{name}/access: what was paid for is given, and nothing is paid for twice.

A payment that comes along, or one that this buyer has made and got nothing for, buys. Else a receipt that still holds is as
good as a payment. Only then is anything asked for, and of nobody who would not be served.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.gateway.audit import Audit, Event, Outcome, What
from reconciler.gateway.deals import Deal
from reconciler.gateway.delivery import Delivery
from reconciler.gateway.grants import Grant
from reconciler.gateway.offers import Offers
from reconciler.gateway.ports import GatewayKeys, Giving
from reconciler.gateway.quotes import PRIVATE, methods_of, path_of
from reconciler.gateway.shop import Free, Shop, refusals
from reconciler.gateway.standing import Standing
from reconciler.gateway.wishes import dataset, read_quantity, tier
from reconciler.model.errors import RefusedError, StateError
from reconciler.model.goods import Good, Sold, TierId
from reconciler.model.ids import Digest, IdentityKey, RecordId, Txid
from reconciler.model.json import Json, JsonObject
from reconciler.model.keys import GRANT_KEY, delivery_key
from reconciler.model.payment import EARNED, PaymentState
from reconciler.model.vocabulary import Way
from reconciler.payments.quote import Offer
from reconciler.store.database import Database
from reconciler.store.receipts import Receipts, StoredReceipt
from reconciler.store.works import Connection
from reconciler.web.auth import required_identity
from reconciler.web.paywall import Paid, Paywall
from reconciler.web.problems import problem
from reconciler.wire.payment import PAID_HEADER, PAYMENT_HEADER, PaymentError
from reconciler.wire.receipt import Receipt
from reconciler.wire.sealed_content import KnownContent

GRANT_SECONDS: Final = 3600
"""For how long the URLs of one answer are good; asking again costs nothing."""

_IV: Final = 32


@dataclass(frozen=True, slots=True)
class _Bought:
    """A receipt that a request may be served for."""

    held: StoredReceipt
    standing: Standing
    outcome: Outcome
    content: KnownContent | None = None
    """What it is for, where that was at hand before it was sold: then nothing can be in the way of giving it."""

    @property
    def receipt(self) -> Receipt:
        return self.held.receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The routes."""

    shop: Shop
    paywall: Paywall
    delivery: Delivery
    database: Database
    keys: GatewayKeys
    clock: Callable[[], float]
    randomness: Callable[[int], bytes]
    audit: Audit

    def routes(self) -> list[Route]:
        """What stands under /v1."""
        return [
            Route("/datasets/{name:path}/access", self.content, methods=["POST"]),
            Route("/tiers/{name:path}/access", self.membership, methods=["POST"]),
        ]

    async def content(self, request: Request) -> Response:
        """Receipt, key and places of a dataset's content."""
        record, quantity = dataset(request), await read_quantity(request)
        offers = await self.shop.offers()
        try:
            free = self.shop.free(offers, record)
        except RefusedError:  # what is gone is still given to those who have paid for it
            bought = await self._bought_earlier(request, record, quantity, offers)
            if bought is None:
                raise
            return await self._answer(request, bought)
        if free is None:
            return await self._sold(request, record, quantity, offers)
        if PAYMENT_HEADER in request.headers:
            bought = await self._bought_earlier(request, record, quantity, offers)
            if bought is not None:
                return await self._answer(request, bought)
        return await self._given_away(request, free)

    async def membership(self, request: Request) -> Response:
        """A receipt, which is the membership."""
        wanted, quantity = tier(request), await read_quantity(request)
        return await self._sold(request, wanted, quantity, await self.shop.offers())

    async def sell(self, request: Request, record: RecordId, giving: Giving) -> Response:
        """See gateway.ports.DirectSale: by BRC-105, to those who have signed their request."""
        bought = await self._bought(request, record, None, await self.shop.offers())
        if isinstance(bought, Response):
            return bought
        answer = await giving.answer(request, bought.receipt.id)
        answer.headers[PAID_HEADER] = str(bought.receipt.satoshis)
        await self._served(bought)
        return answer

    async def _sold(self, request: Request, wanted: Sold, quantity: int | None, offers: Offers) -> Response:
        bought = await self._bought(request, wanted, quantity, offers, in_the_answer=True)
        return bought if isinstance(bought, Response) else await self._answer(request, bought)

    async def _bought(
        self, request: Request, wanted: Sold, quantity: int | None, offers: Offers, *, in_the_answer: bool = False
    ) -> _Bought | Response:
        """What this buyer has paid for, with this request or before; or what is answered instead.

        `in_the_answer` says that all that is sold is given there: receipt, key and places, which are made of what is
        opened before the payment is taken.
        """
        with refusals(self.audit, _what(wanted), request, str(wanted)):
            standing = await self.shop.served(request, offers)
            deal = self.shop.deal(offers, wanted, quantity, standing.tier)
            if PAYMENT_HEADER not in request.headers:
                held = await self._held(standing.consumer, deal.good, deal.document)
                if held is not None:
                    return self._served_again(held, standing)
            is_sold = in_the_answer and PAYMENT_HEADER in request.headers
            content = await self._at_hand(deal) if is_sold else None
            conditions = replace(deal.conditions, at_hand=content is not None)
            paid = await self.paywall.paid(request, str(deal.good), deal.price, conditions)
            if isinstance(paid, Paid) and paid.payment is not None:
                held = paid.held or await self._receipt_for(paid.payment)
                opened = content if held.receipt.document == deal.document else None  # else it was another version
                return _Bought(held, standing, Outcome.SOLD, opened)
            if paid is None:
                standing.check_quota(self.clock())
                deal.check_taken()
                paid = await self._asked(request, deal)
        if isinstance(paid, Paid):
            raise StateError(f"the good {deal.good} was let go for nothing")
        self._note(standing, deal, paid)
        return paid

    def _served_again(self, held: StoredReceipt, standing: Standing) -> _Bought:
        """For a receipt that holds; raises ProblemError (429) beyond the quota, except for what is served for the first time."""
        if held.payment is not PaymentState.ACCEPTED:
            standing.check_quota(self.clock())
        return _Bought(held, standing, Outcome.SERVED)

    async def _asked(self, request: Request, deal: Deal) -> Paid | Response:
        """The 402. Of one who is to pay natively it has no price that a client of BRC-105 would pay."""
        if not isinstance(deal.good.sold, TierId):
            await self.delivery.content(deal.document)  # nobody is asked to pay for what cannot be opened here
        if deal.way is Way.HTTP:
            offer = Offer(required_identity(request), str(deal.good), deal.price)
            return self.paywall.challenge(offer, deal.conditions)
        good: JsonObject = {"kind": str(deal.good.sold.kind), "name": deal.good.sold.name}
        return problem(
            402,
            f"{deal.price} satoshis are paid by a transaction made from a template: quote, then ask for the template",
            more={
                "code": PaymentError.REQUIRED.value,
                "satoshis": deal.price,
                "quote": {"url": "/v1/quotes", "body": {**good, "quantity": deal.good.quantity}},
                "methods": methods_of(deal),
            },
        )

    async def _at_hand(self, deal: Deal) -> KnownContent | None:
        """A deal's content, None where it cannot be opened here.

        And of a membership: whoever does not get that answer, and has forgotten the payment, would be asked to pay again.
        """
        if isinstance(deal.good.sold, TierId):
            return None
        try:
            return await self.delivery.content(deal.document)
        except (RefusedError, StateError):
            return None

    async def _held(self, buyer: IdentityKey, good: Good, document: Digest | None) -> StoredReceipt | None:
        """What this buyer holds for a good and has something left of. Memberships are bought term by term."""
        if isinstance(good.sold, TierId):
            return None

        async def find(connection: Connection) -> StoredReceipt | None:
            return await Receipts(connection).live(buyer, good, now=int(self.clock()), document=document)

        return await self.database.glance(find)

    async def _bought_earlier(
        self, request: Request, record: RecordId, quantity: int | None, offers: Offers
    ) -> _Bought | None:
        """What this buyer has paid for what is sold no more: by the payment that comes along, or by a receipt that holds."""
        standing = await self.shop.served(request, offers)
        payment = self.paywall.brings(request)
        if payment is None:
            held = await self._held(standing.consumer, Good(record, quantity or 1), None)
            return None if held is None else self._served_again(held, standing)
        held = await self._receipt_of(payment)
        if held is None or held.payment not in EARNED:
            return None
        receipt = held.receipt
        is_theirs = (receipt.buyer, receipt.good.sold) == (standing.consumer, record)
        return _Bought(held, standing, Outcome.SERVED) if is_theirs else None

    async def _receipt_for(self, payment: Txid) -> StoredReceipt:
        receipt = await self._receipt_of(payment)
        if receipt is None:
            raise StateError(f"the payment {payment} is accepted, and has no receipt")
        return receipt

    async def _receipt_of(self, payment: Txid) -> StoredReceipt | None:
        async def find(connection: Connection) -> StoredReceipt | None:
            return await Receipts(connection).of_payment(payment)

        return await self.database.glance(find)

    async def _answer(self, request: Request, bought: _Bought) -> Response:
        """What a receipt gives."""
        given = await self._given(request, bought.receipt, bought.content)
        await self._served(bought)
        return JSONResponse(given, headers={**PRIVATE, PAID_HEADER: str(bought.receipt.satoshis)})

    async def _served(self, bought: _Bought) -> None:
        """Whoever has got something for a payment is owed nothing any more."""
        receipt = bought.receipt
        if bought.held.payment is PaymentState.ACCEPTED:
            await self.paywall.delivered(
                Paid(receipt.buyer, str(receipt.good), receipt.txid, receipt.satoshis, receipt.issued)
            )
        self.shop.standings.answered(bought.standing)
        self.audit(
            Event(
                what=_what(receipt.good.sold),
                outcome=bought.outcome,
                who=receipt.buyer,
                good=str(receipt.good),
                satoshis=receipt.satoshis,
                txid=receipt.txid,
                receipt=receipt.id,
            )
        )

    async def _given(self, request: Request, receipt: Receipt, content: KnownContent | None) -> JsonObject:
        record = receipt.good.sold
        if isinstance(record, TierId):
            return {"receipt": receipt.to_json()}
        if content is None:
            content = await self.delivery.content(receipt.document)
        expires = min(int(self.clock()) + GRANT_SECONDS, receipt.allowance.until)
        grant = Grant(receipt.id, record, expires).text(partial(self.keys.mac, GRANT_KEY))
        key = None
        if content.key is not None:
            iv = self.randomness(_IV)
            key = base64.b64encode(self.keys.encrypt(delivery_key(receipt.id, receipt.buyer), content.key, iv=iv))
        return {
            "receipt": receipt.to_json(),
            "key": None if key is None else key.decode(),
            "urls": [f"{_origin(request)}{path_of(record, 'content')}?grant={grant}"],
            "expires": expires,
            **_content(content),
        }

    async def _given_away(self, request: Request, free: Free) -> Response:
        content = await self.delivery.content(free.document)
        self.audit(Event(what=What.ACCESS, outcome=Outcome.SERVED, good=str(free.record)))
        answer = {
            "receipt": None,
            "key": None,
            "urls": [f"{_origin(request)}{path_of(free.record, 'content')}"],
            "expires": int(self.clock()) + GRANT_SECONDS,
            **_content(content),
        }
        return JSONResponse(answer, headers=PRIVATE)

    def _note(self, standing: Standing, deal: Deal, response: Response) -> None:
        """What was answered instead."""
        outcome = _OUTCOMES.get(response.status_code, Outcome.REFUSED)
        self.audit(
            Event(
                what=_what(deal.good.sold),
                outcome=outcome,
                who=standing.consumer,
                good=str(deal.good),
                satoshis=deal.price,
                code=None if outcome is Outcome.CHARGED else str(response.status_code),
            )
        )


_OUTCOMES: Final = {402: Outcome.CHARGED, 503: Outcome.PENDING}


def _what(sold: Sold) -> What:
    return What.MEMBERSHIP if isinstance(sold, TierId) else What.ACCESS


def _origin(request: Request) -> str:
    """Where this request found us, behind whatever proxy."""
    return str(request.base_url).rstrip("/")


def _content(content: KnownContent) -> JsonObject:
    parts: Sequence[Json] = [
        {"uhrp": part.uhrp, "sha256": part.sha256, "size": part.size} for part in content.published.parts
    ]
    return {
        "sha256": content.sha256,
        "size": content.size,
        "mediaType": content.published.media_type,
        "parts": parts,
    }
