"""The BRC-105 gate in front of a good (PROTOCOL §7): a 402 that asks, and whoever has paid is let in, once for each payment.

A request that carries a payment is never answered 402, since the reference client would pay again: 200 where the payment is
good, 503 where that is not known yet, 400 where it is not. And nobody is asked to pay for what they have paid for already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import OverlayError, RefusedError, TransientError, VerificationError
from reconciler.model.ids import IdentityKey, Txid
from reconciler.payments.conditions import PLAIN, Conditions
from reconciler.payments.quote import Offer
from reconciler.payments.till import Till
from reconciler.store.payments import Payment
from reconciler.store.receipts import StoredReceipt
from reconciler.web.auth import required_identity
from reconciler.wire.payment import PAID_HEADER, PAYMENT_HEADER, PaymentError, PaymentHeader
from reconciler.wire.tender import Tender

_RETRY_AFTER: Final = "5"


@dataclass(frozen=True, slots=True)
class Paid:
    """Leave to have one good. `payment` is the same whenever the same payment comes again: what it bought is its own.

    None where the good costs nothing, and nothing was paid.
    """

    buyer: IdentityKey
    good: str
    payment: Txid | None
    satoshis: Satoshis
    """What was paid: the price that was quoted, or more."""
    booked: int | None
    """When the payment first came, in unix seconds."""
    held: StoredReceipt | None = None
    """Its receipt, where it was given just now."""


Read: TypeAlias = Callable[[str, IdentityKey], Tender]
"""Reads the value of `x-bsv-payment` that a buyer has sent. Raises VerificationError."""


def read_payment(text: str, buyer: IdentityKey) -> Tender:
    """As BRC-105 has it."""
    return PaymentHeader.parse(text).tender(buyer)


class Paywall:
    """Stands behind web.auth.Authenticated, which says who the buyer is, and signs every answer.

    `read` is for older forms of the header (web/packetpay.py).
    """

    def __init__(self, till: Till, *, read: Read = read_payment) -> None:
        self._till = till
        self._read = read

    async def admit(
        self, request: Request, good: str, price: Satoshis, conditions: Conditions = PLAIN
    ) -> Paid | Response:
        """Let a request in that has paid for `good`, or give the answer that it gets instead.

        `good` names exactly what is bought: two requests of one buyer that name the same good share a payment until it is
        delivered. `price` is today's, and 0 for nothing to pay; what was quoted before holds for its time. `conditions`
        are today's as well. Raises UnauthorizedError where nobody has signed the request.
        """
        offer = Offer(required_identity(request), good, price)
        paid = await self.paid(request, good, price, conditions)
        if paid is not None:
            return paid
        if price == 0:
            return Paid(offer.buyer, good, None, price, None)
        return self.challenge(offer, conditions)

    def challenge(self, offer: Offer, conditions: Conditions = PLAIN) -> Response:
        """The 402 that asks for an offer, of whoever has not paid for it yet."""
        charge = self._till.charge(offer, conditions)
        return JSONResponse(charge.body(), status_code=402, headers=charge.headers())

    async def paid(
        self, request: Request, good: str, price: Satoshis, conditions: Conditions = PLAIN
    ) -> Paid | Response | None:
        """The same for a payment that comes along, or that this buyer has made for `good` and got nothing for; None without."""
        offer = Offer(required_identity(request), good, price)
        try:
            text = request.headers.get(PAYMENT_HEADER)
            payment = await (self._owed(offer) if text is None else self._brought(text, offer, conditions))
        except RefusedError as error:
            return payment_error(400, error.code or PaymentError.FAILED.value, error)
        except TransientError as error:
            return payment_error(503, PaymentError.PENDING.value, error)
        if payment is None:
            return None
        return Paid(offer.buyer, good, payment.txid, payment.satoshis, payment.booked, StoredReceipt.new(payment))

    def brings(self, request: Request) -> Txid | None:
        """The transaction that comes along as a payment; None for none, and for what cannot be read."""
        text = request.headers.get(PAYMENT_HEADER)
        if text is None:
            return None
        try:
            return self._read(text, required_identity(request)).subject
        except VerificationError:
            return None

    def deliver(self, paid: Paid, response: Response) -> Response:
        """The answer that gives the good: says what was paid, and marks the payment as delivered when the app has made it.

        For goods that are given in parts, or by another way, there is `delivered`.
        """
        if paid.payment is None:
            return response
        response.headers[PAID_HEADER] = str(paid.satoshis)
        if response.background is not None:
            raise ValueError("the response has work of its own in the background")
        response.background = BackgroundTask(self.delivered, paid)
        return response

    async def delivered(self, paid: Paid) -> None:
        """Nothing is owed for this payment any more. Brought again, it is still let in."""
        if paid.payment is not None:
            await self._till.delivered(paid.payment)

    async def _brought(self, text: str, offer: Offer, conditions: Conditions) -> Payment:
        try:
            tender = self._read(text, offer.buyer)
        except VerificationError as error:
            raise RefusedError(error.message, code=PaymentError.MALFORMED.value) from error
        return await self._till.take(tender, offer, conditions)

    async def _owed(self, offer: Offer) -> Payment | None:
        """What this buyer has paid for this good already: some clients forget a payment that was not answered at once."""
        payment = await self._till.owed(offer.buyer, offer.good)
        if payment is None:
            return None
        try:
            return await self._till.awaited(payment)
        except RefusedError:  # it is known by now not to be good; nothing is owed
            return None


def payment_error(status: int, code: str, error: OverlayError) -> Response:
    """An answer in the words of BRC-105: what is wrong with a payment, or that the same shall come again later."""
    description = f"{error} ({error.hint})" if error.hint else str(error)
    headers = {"retry-after": _RETRY_AFTER} if status == 503 else None
    body = {"status": "error", "code": code, "description": description}
    return JSONResponse(body, status_code=status, headers=headers)
