"""What an accepted payment makes: a sale, with a receipt. In the database transaction in which the payment moves."""

from __future__ import annotations

from dataclasses import replace

from reconciler.model.payment import EARNED
from reconciler.payments.ports import Receiver
from reconciler.store.payments import Payment
from reconciler.store.receipts import Receipts
from reconciler.store.sales import Sales
from reconciler.store.terms import Terms
from reconciler.store.works import Connection
from reconciler.wire.receipt import Receipt


async def follow(connection: Connection, before: Payment, after: Payment, *, seller: Receiver, now: int) -> Payment:
    """Let books and receipt follow a payment that has moved, at `now` (unix seconds). Returns it, with its receipt if that is new.

    A receipt is signed once, when its payment is first accepted: one that is lost and comes back has it still.
    """
    if after.terms is None:
        return after
    await Sales(connection).follow(before, after, now=now)
    if after.state not in EARNED or before.state in EARNED:
        return after
    receipt = receipt_for(after, after.terms, seller=seller, now=now)
    is_new = await Receipts(connection).add(receipt)
    return replace(after, receipt=receipt) if is_new else after


def receipt_for(payment: Payment, terms: Terms, *, seller: Receiver, now: int) -> Receipt:
    """The receipt for a payment that is accepted at `now`."""
    return Receipt(
        network=terms.network,
        producer=terms.producer,
        gateway=seller.identity,
        buyer=payment.buyer,
        good=terms.good,
        document=terms.document,
        method=payment.tender.method,
        price=payment.price,
        satoshis=payment.satoshis,
        txid=payment.txid,
        issued=now,
        allowance=terms.allowance(now),
    ).signed(seller)
