"""Whether a payment is what it should be, before anything is written down or sent (PROTOCOL §7)."""

from __future__ import annotations

from reconciler.model.amounts import Satoshis, satoshis
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.payment import PaymentMethod, PaymentState
from reconciler.payments.conditions import Conditions, Share
from reconciler.payments.ports import Chain, Receiver
from reconciler.payments.quote import Offer, Seal, quoted
from reconciler.store.payments import Payment
from reconciler.wire.payment import PaymentError
from reconciler.wire.script import p2pkh
from reconciler.wire.tender import Tender


async def checked(
    tender: Tender,
    offer: Offer,
    conditions: Conditions,
    *,
    receiver: Receiver,
    chain: Chain,
    seal: Seal,
    now: int,
) -> Payment:
    """The payment, as it would be written down: enough, to the right keys, by a valid transaction, for a price that was asked.

    More than the price is taken as it is paid, and told; nothing is given back. Raises RefusedError with a code of
    `PaymentError`, UnreachableError where the chain cannot be asked.
    """
    if conditions.terms is not None and str(conditions.terms.good) != offer.good:
        raise ValueError(f"the terms of {conditions.terms.good} for {offer.good}")
    price = _price(tender, offer, conditions, seal=seal, now=now)
    paid = _paid(tender, price, conditions.shares, receiver)
    try:
        await chain.verified(tender.beef, tender.subject, now=now, limits=conditions.limits)
    except VerificationError as error:
        raise RefusedError(f"the transaction is not valid: {error}", code=PaymentError.FAILED.value) from error
    except RefusedError as error:  # of us, by whoever has the headers
        raise UnreachableError("the chain's headers are not to be had") from error
    return Payment(
        tender=tender,
        good=offer.good,
        price=price,
        satoshis=paid,
        accept=conditions.policy.demands(paid),
        terms=conditions.terms,
        state=PaymentState.PENDING if conditions.gives_back is None else PaymentState.RETURNED,
        reason=conditions.gives_back or "",
        booked=now,
        doubted=now,
    )


def _price(tender: Tender, offer: Offer, conditions: Conditions, *, seal: Seal, now: int) -> Satoshis:
    """What was asked. By BRC-105 the prefix holds an earlier price; by the other methods whoever calls has looked at that."""
    if tender.method is not PaymentMethod.BRC105:
        if conditions.natively:
            raise RefusedError(
                "this is paid by a template",
                code=PaymentError.PREFIX.value,
                hint="ask for a quote, and a template by it",
            )
        return offer.price
    amounts = (offer.price,) if tender.output is None else (tender.output.satoshis, offer.price)
    return quoted(tender.prefix, offer, amounts=amounts, seal=seal, now=now)


def _paid(tender: Tender, price: Satoshis, shares: tuple[Share, ...] | None, receiver: Receiver) -> Satoshis:
    """What the outputs give that were asked for, each of them once."""
    own = None if tender.vout is None else Share(tender.vout, price, p2pkh(receiver.public(tender.key)))
    if shares is None:
        if own is None:
            raise _insufficient("the payment names no output that pays")
        return satoshis(_given(tender, own))
    given = {share: _given(tender, share, exactly=True) for share in shares}
    named = {share.vout: share.locking for share in shares}
    if len(named) != len(shares) or (own is not None and named.get(own.vout) != own.locking):
        raise ValueError("shares are of different outputs, and ours is one of them")
    rest = (output for vout, output in enumerate(tender.transaction.outputs) if vout not in named)
    if any(output.locking in named.values() for output in rest):
        raise _insufficient("the transaction pays a key twice that was to be paid once")
    return satoshis(sum(given.values()))


def _given(tender: Tender, share: Share, *, exactly: bool = False) -> int:
    outputs = tender.transaction.outputs
    if share.vout >= len(outputs):
        raise _insufficient(f"the transaction has no output {share.vout}")
    output = outputs[share.vout]
    if output.satoshis < share.satoshis or (exactly and output.satoshis != share.satoshis):
        raise _insufficient(f"output {share.vout} pays {output.satoshis} satoshis, and {share.satoshis} were asked for")
    if output.locking != share.locking:
        raise _insufficient(f"output {share.vout} does not pay the key that was asked for")
    return output.satoshis


def _insufficient(message: str) -> RefusedError:
    return RefusedError(message, code=PaymentError.INSUFFICIENT.value)
