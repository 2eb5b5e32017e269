"""Whether a payment is what it should be, before anything is written down or sent (PROTOCOL §7)."""

from __future__ import annotations

from typing import Final

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.payments.ports import Chain, Receiver
from reconciler.payments.quote import Offer, Seal, quoted
from reconciler.store.payments import Payment
from reconciler.wire.payment import MAX_HEADER, MAX_TRANSACTIONS, PAID_OUTPUT, PaymentError, PaymentHeader
from reconciler.wire.script import p2pkh
from reconciler.wire.spv import Limits

_LIMITS: Final = Limits(bytes=MAX_HEADER, transactions=MAX_TRANSACTIONS, depth=50, work=1 << 23)
"""What a header has room for, and a fraction of the work that a host's submission may cause."""


async def checked(
    header: PaymentHeader, offer: Offer, *, receiver: Receiver, chain: Chain, seal: Seal, now: int
) -> Payment:
    """The payment, as it would be written down: enough, to our key, by a valid transaction, for a price that was quoted.

    More than the price is taken as it is paid, and told; nothing is given back. Raises RefusedError with a code of
    `PaymentError`, UnreachableError where the chain cannot be asked.
    """
    output = header.output
    if output is None:
        raise _insufficient("the transaction has no outputs")
    price = quoted(header.prefix, offer, amounts=(output.satoshis, offer.price), seal=seal, now=now)
    if output.satoshis < price:
        raise _insufficient(f"output {PAID_OUTPUT} pays {output.satoshis} satoshis, and the price is {price}")
    if output.locking != p2pkh(receiver.public(header.key(offer.buyer))):
        raise _insufficient(f"output {PAID_OUTPUT} does not pay the key of this prefix and suffix")
    try:
        await chain.verified(header.beef, header.subject, now=now, limits=_LIMITS)
    except VerificationError as error:
        raise RefusedError(f"the transaction is not valid: {error}", code=PaymentError.FAILED.value) from error
    except RefusedError as error:  # of us, by whoever has the headers
        raise UnreachableError("the chain's headers are not to be had") from error
    return Payment(
        header=header,
        buyer=offer.buyer,
        good=offer.good,
        price=Satoshis(price),
        satoshis=output.satoshis,
        booked=now,
        doubted=now,
    )


def _insufficient(message: str) -> RefusedError:
    return RefusedError(message, code=PaymentError.INSUFFICIENT.value)
