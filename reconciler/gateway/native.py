"""Native payments over HTTP: a template for a quote, the transaction that was made from it, and what becomes of one that is late."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.gateway.audit import Audit, Event, Outcome, What, to_nobody
from reconciler.gateway.refunds import refund_json
from reconciler.model.amounts import Satoshis, satoshis
from reconciler.model.errors import RefusedError, TransientError, VerificationError
from reconciler.model.goods import Good, sold_id
from reconciler.model.ids import Digest, IdentityKey, Txid, digest
from reconciler.model.json import JsonObject
from reconciler.model.payment import PaymentState
from reconciler.payments.native import MAX_BEEF, MAX_TRANSACTIONS, NativeSales
from reconciler.store.database import Database
from reconciler.store.payments import Payment
from reconciler.store.receipts import Receipts
from reconciler.store.refunds import FindReturned
from reconciler.store.works import Connection
from reconciler.web.auth import required_identity
from reconciler.web.bodies import read_body
from reconciler.web.paywall import payment_error
from reconciler.wire.beef import Beef, parse_beef, subset
from reconciler.wire.canonical import parse_json
from reconciler.wire.fields import Fields, read_object
from reconciler.wire.payment import PaymentError

_PRIVATE: Final = {"cache-control": "no-store"}
_MAX_QUOTE: Final = 4096
_MAX_PAYMENT: Final = MAX_BEEF * 4 // 3 + _MAX_QUOTE


def native_routes(
    sales: NativeSales, database: Database, gateway: IdentityKey, audit: Audit = to_nobody
) -> list[Route]:
    """What stands under /v1 of native payments."""
    desk = _Desk(sales, database, gateway, audit)
    return [
        Route("/payments/templates", desk.template, methods=["POST"]),
        Route("/payments", desk.pay, methods=["POST"]),
    ]


class _Desk:
    def __init__(self, sales: NativeSales, database: Database, gateway: IdentityKey, audit: Audit) -> None:
        self._sales = sales
        self._audit = audit
        self._database = database
        self._gateway = gateway

    async def template(self, request: Request) -> Response:
        """POST /v1/payments/templates."""
        buyer = required_identity(request)
        quote, good, price = parse_quote(await read_body(request, _MAX_QUOTE))
        try:
            template = await self._sales.template(buyer, good, quote, price)
        except RefusedError as error:
            self._note(What.TEMPLATE, Outcome.REFUSED, buyer, good=str(good), code=error.code)
            return _refused(error)
        self._note(What.TEMPLATE, Outcome.QUOTED, buyer, good=str(good), satoshis=price)
        body = {**template.to_json(), "quote": _quote_json(quote, good, price)}
        return JSONResponse(body, status_code=201, headers=_PRIVATE)

    async def pay(self, request: Request) -> Response:
        """POST /v1/payments. Whatever is wrong with a payment, it is never answered 402."""
        buyer = required_identity(request)
        try:
            template, beef, subject = parse_payment(await read_body(request, _MAX_PAYMENT))
            payment = await self._sales.pay(buyer, template, beef, subject)
        except VerificationError as error:
            return payment_error(400, PaymentError.MALFORMED.value, error)
        except RefusedError as error:
            self._note(What.PAYMENT, Outcome.REFUSED, buyer, code=error.code)
            return _refused(error)
        except TransientError as error:
            self._note(What.PAYMENT, Outcome.PENDING, buyer)
            return payment_error(503, PaymentError.PENDING.value, error)
        returned = payment.state is PaymentState.RETURNED
        outcome = Outcome.RETURNED if returned else Outcome.SOLD
        self._note(What.PAYMENT, outcome, buyer, good=payment.good, satoshis=payment.satoshis, txid=payment.txid)
        return JSONResponse(await self._answer(payment), headers=_PRIVATE)

    def _note(self, what: What, outcome: Outcome, who: IdentityKey, **more: Any) -> None:
        self._audit(Event(what=what, outcome=outcome, who=who, **more))

    async def _answer(self, payment: Payment) -> JsonObject:
        if payment.state is PaymentState.RETURNED:
            returned = await self._database.read(FindReturned(payment.txid, payment.buyer))
            return {"receipt": None, "refund": None if returned is None else refund_json(returned, self._gateway)}

        async def receipt(connection: Connection) -> JsonObject | None:
            stored = await Receipts(connection).of_payment(payment.txid)
            return None if stored is None else stored.receipt.to_json()

        return {"receipt": await self._database.read(receipt)}


def _refused(error: RefusedError) -> Response:
    """Codes of payments in BRC-105's words; all else is a problem document."""
    if error.code not in set(PaymentError):
        raise error
    return payment_error(400, error.code, error)


def parse_quote(body: bytes) -> tuple[str, Good, Satoshis]:
    """The quote that a template is asked for: its id, the good, and the price. Raises VerificationError."""
    value = parse_json(body, "the request")
    return read_object(value, "the request", lambda fields: fields.nested("quote", _read_quote))


def _read_quote(fields: Fields) -> tuple[str, Good, Satoshis]:
    quote, kind, name = fields.text("id"), fields.text("kind"), fields.text("name")
    quantity = fields.given("quantity", lambda field: fields.integer(field, least=1))
    sold = fields.built("name", sold_id, kind, name)
    good = fields.built("quantity", Good, sold, 1 if quantity is None else quantity)
    return quote, good, fields.built("satoshis", satoshis, fields.integer("satoshis", least=1))


def _quote_json(quote: str, good: Good, price: Satoshis) -> JsonObject:
    sold = good.sold
    return {"id": quote, "kind": str(sold.kind), "name": sold.name, "quantity": good.quantity, "satoshis": price}


def parse_payment(body: bytes) -> tuple[Digest, Beef, Txid]:
    """A payment: the template that it was made from, and the transaction. Raises VerificationError."""
    value = parse_json(body, "the request")
    template, data = read_object(value, "the request", _read_payment)
    beef, subject = parse_beef(data, max_bytes=MAX_BEEF, max_transactions=MAX_TRANSACTIONS)
    if subject is None:
        raise VerificationError("the transaction is a BEEF, but not an Atomic one, which names its subject")
    return template, subset(beef, (subject,)), subject


def _read_payment(fields: Fields) -> tuple[Digest, bytes]:
    return fields.parsed("template", digest), fields.base64("transaction")
