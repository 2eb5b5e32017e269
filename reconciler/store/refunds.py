"""What becomes of a payment that is given back, as its buyer is told it."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.amounts import Satoshis
from reconciler.model.ids import IdentityKey, Txid
from reconciler.model.payment import PaymentState
from reconciler.model.payout import PayoutKind
from reconciler.store.buyer_credits import Credits
from reconciler.store.payments import Payment, Payments
from reconciler.store.payouts import Payout, Payouts
from reconciler.store.works import Connection


@dataclass(frozen=True, slots=True)
class Returned:
    """A payment that is given back. Nothing is decided before a block has it: `credit` is None until then."""

    payment: Payment
    refund: Payout | None
    """What sends its coin; None where nothing could be sent, or nothing is decided yet."""
    credit: Satoshis | None
    """What was credited of it."""


@dataclass(frozen=True, slots=True)
class FindReturned:
    """A work: what becomes of a payment of this buyer's; None where it is not given back."""

    txid: Txid
    buyer: IdentityKey

    async def __call__(self, connection: Connection) -> Returned | None:
        """See the class."""
        payment = await Payments(connection).find(self.txid)
        if payment is None or payment.buyer != self.buyer or payment.state is not PaymentState.RETURNED:
            return None
        holder = None if payment.coin is None else await Payouts(connection).holder(payment.coin.outpoint)
        refund = holder if holder is not None and holder.kind is PayoutKind.REFUND else None
        return Returned(payment, refund, await Credits(connection).of_payment(payment.txid))
