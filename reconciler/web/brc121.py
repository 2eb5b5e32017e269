"""The BRC-121 gate in front of a good, for requests that nobody has signed (WIRE §4.6, PROTOCOL §7).

All five headers or a 402; and a 402 to whatever is not good, since the standard has one answer for both, and its client pays once.
What may yet be good is answered 503, where we cannot find out 500. The nonce is the payer's, so there is no quote: it is today's
price that has to be paid. Who brings the same again, because the answer was lost, is let in until it was delivered; then it is a
replay, and the 402 names the receipt that a signed request gets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError, TransientError, VerificationError
from reconciler.model.ids import IdentityKey, Txid
from reconciler.model.payment import PaymentState
from reconciler.payments.conditions import PLAIN, Conditions
from reconciler.payments.quote import Offer
from reconciler.payments.till import PendingError, Till
from reconciler.store.payments import Payment
from reconciler.web.paywall import Paid
from reconciler.wire.brc121 import PAYING, SATS_HEADER, SERVER_HEADER, Price, SimplePayment
from reconciler.wire.payment import PAID_HEADER, PaymentError

ERROR_HEADER: Final = "x-bsv-payment-error"
"""Of a 402 to a payment: why it is not good, a code of `PaymentError`. The body is empty, as the standard has it."""

_RECEIPTS: Final = "/v1/receipts"
_RETRY_AFTER: Final = "5"
_EXPOSED: Final = {
    "access-control-expose-headers": f"{SATS_HEADER}, {SERVER_HEADER}, {ERROR_HEADER}, {PAID_HEADER}, link"
}
"""For browsers, which else show none of them to a page of another origin."""
_STALE: Final = "ERR_PAYMENT_STALE"
"""Its time is too far from ours, and it was not here before."""


class SimplePaywall:
    """As web.paywall.Paywall, but the buyer is whoever has paid. `seller` is who the till belongs to."""

    def __init__(self, till: Till, *, seller: IdentityKey, clock: Callable[[], float]) -> None:
        self._till = till
        self._seller = seller
        self._clock = clock

    async def admit(
        self, request: Request, good: str, price: Satoshis, conditions: Conditions = PLAIN
    ) -> Paid | Response:
        """Let a request in that has paid for `good`, or give the answer that it gets instead.

        `price` is what everybody pays today, and `conditions` are everybody's: who pays is not known before he has.
        """
        if not any(name in request.headers for name in PAYING):
            return self._asking(price)
        try:
            paid = await self._paid(request, good, price, conditions)
        except RefusedError as error:
            return self._asking(price, _why(error))
        except TransientError as error:
            return _later(error)
        return Paid(paid.buyer, good, paid.txid, paid.satoshis, paid.booked)

    def deliver(self, paid: Paid, response: Response) -> Response:
        """The answer that gives the good: says what was paid, and marks the payment as delivered when it was sent."""
        response.headers.update({**_EXPOSED, PAID_HEADER: str(paid.satoshis)})
        if response.background is not None:
            raise ValueError("the response has work of its own in the background")
        response.background = BackgroundTask(self._delivered, paid)
        return response

    async def _delivered(self, paid: Paid) -> None:
        if paid.payment is not None:
            await self._till.delivered(paid.payment)

    async def _paid(self, request: Request, good: str, price: Satoshis, conditions: Conditions) -> Payment:
        """The payment, once it is accepted. Raises as `Till.take` does."""
        try:
            brought = SimplePayment.parse(request.headers)
        except VerificationError as error:
            raise RefusedError(error.message, code=PaymentError.MALFORMED.value) from error
        tender = brought.tender
        known = await self._till.known(tender, good)
        if known is not None and known.state is PaymentState.DELIVERED:
            raise _ReplayError(known.txid)
        if known is None and not brought.is_fresh(self._clock()):
            raise RefusedError("the payment's time is too far from ours", code=_STALE)
        return await self._till.take(tender, Offer(tender.buyer, good, price), conditions)

    def _asking(self, price: Satoshis, more: Mapping[str, str] | None = None) -> Response:
        asked = Price(price, self._seller)
        return Response(status_code=402, headers={**_EXPOSED, **asked.headers(), **(more or {})})


class _ReplayError(RefusedError):
    """The payment has bought what it was for."""

    def __init__(self, payment: Txid) -> None:
        super().__init__("the payment has bought already", code=PaymentError.REUSED.value)
        self.payment = payment


def _why(error: RefusedError) -> Mapping[str, str]:
    """The headers of a 402 to a payment. The link is of RFC 8288, with the relation of RFC 8631: what became of this."""
    said = {ERROR_HEADER: error.code or PaymentError.FAILED.value}
    if isinstance(error, _ReplayError):
        return {**said, "link": f'<{_RECEIPTS}?txid={error.payment}>; rel="status"'}
    return said


def _later(error: TransientError) -> Response:
    if isinstance(error, PendingError):
        return Response(status_code=503, headers={**_EXPOSED, "retry-after": _RETRY_AFTER})
    return JSONResponse({"error": "wallet unavailable"}, status_code=500, headers=_EXPOSED)
