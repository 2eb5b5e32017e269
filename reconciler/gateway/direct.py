"""Small content that is bought by asking for it, by those who do not sign their requests: a ports.DirectSale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from reconciler.gateway.audit import Audit, Event, Outcome, What
from reconciler.gateway.deals import Deal
from reconciler.gateway.ports import GatewayKeys, Giving
from reconciler.gateway.quotes import PRIVATE
from reconciler.gateway.shop import Shop
from reconciler.gateway.tiers import NO_TIER
from reconciler.model.errors import StateError
from reconciler.model.ids import IdentityKey, RecordId, identity_key
from reconciler.model.keys import delivery_key
from reconciler.model.vocabulary import Way
from reconciler.store.database import Database
from reconciler.store.receipts import Receipts
from reconciler.store.works import Connection
from reconciler.web.brc121 import ERROR_HEADER, SimplePaywall
from reconciler.web.paywall import Paid
from reconciler.web.problems import ProblemError
from reconciler.wire.brc121 import RECEIPT_HEADER, SENDER_HEADER
from reconciler.wire.receipt import Receipt

_IV: Final = 32
_OUTCOMES: Final = {402: Outcome.CHARGED, 503: Outcome.PENDING}
"""By the status of what is answered instead; a 402 that says what is wrong with a payment is a refusal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSale:
    """By BRC-121: at list prices, since nobody has said who he is before he pays; and encrypted to him who has paid."""

    shop: Shop
    paywall: SimplePaywall
    database: Database
    keys: GatewayKeys
    randomness: Callable[[int], bytes]
    audit: Audit

    async def sell(self, request: Request, record: RecordId, giving: Giving) -> Response:
        """See ports.DirectSale. Raises ProblemError for what is not paid by such requests, or by such senders."""
        offers = await self.shop.offers()
        deal = self.shop.deal(offers, record, None, NO_TIER)
        if deal.way is not Way.HTTP:
            raise ProblemError(
                "so much is not paid with a request", status=403, code="ERR_METHOD_NOT_TAKEN", hint="ask for a quote"
            )
        sender = _sender(request)
        if sender is not None:
            (await self.shop.standings.of(sender, offers)).check_served()
        paid = await self.paywall.admit(request, str(deal.good), deal.price, deal.conditions)
        if isinstance(paid, Response):
            self._note(deal, sender, paid)
            return paid
        return await self._given(deal, paid, giving)

    async def _given(self, deal: Deal, paid: Paid, giving: Giving) -> Response:
        receipt = await self._receipt(paid)
        plaintext = await giving.whole(receipt.id)
        key = delivery_key(receipt.id, receipt.buyer)
        sealed = self.keys.encrypt(key, plaintext, iv=self.randomness(_IV))
        answer = Response(
            sealed, media_type="application/octet-stream", headers={**PRIVATE, RECEIPT_HEADER: receipt.id}
        )
        self.audit(
            Event(
                what=What.CONTENT,
                outcome=Outcome.SOLD,
                who=receipt.buyer,
                good=str(deal.good),
                satoshis=receipt.satoshis,
                txid=receipt.txid,
                receipt=receipt.id,
            )
        )
        return self.paywall.deliver(paid, answer)

    async def _receipt(self, paid: Paid) -> Receipt:
        payment = paid.payment

        async def find(connection: Connection) -> Receipt | None:
            stored = None if payment is None else await Receipts(connection).of_payment(payment)
            return None if stored is None else stored.receipt

        receipt = await self.database.read(find)
        if receipt is None:
            raise StateError(f"the payment {payment} is accepted, and has no receipt")
        return receipt

    def _note(self, deal: Deal, sender: IdentityKey | None, response: Response) -> None:
        """What was answered instead."""
        code = response.headers.get(ERROR_HEADER)
        outcome = Outcome.REFUSED if code else _OUTCOMES.get(response.status_code, Outcome.REFUSED)
        self.audit(
            Event(what=What.CONTENT, outcome=outcome, who=sender, good=str(deal.good), satoshis=deal.price, code=code)
        )


def _sender(request: Request) -> IdentityKey | None:
    """Who says that he pays; None where nobody does, or in no words."""
    try:
        return identity_key(request.headers.get(SENDER_HEADER, ""))
    except ValueError:
        return None
