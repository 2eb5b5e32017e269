"""What is written down about payments: works of the database (store.works), each of them one step that cannot be half done."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.errors import RefusedError
from reconciler.model.ids import Digest, Txid
from reconciler.model.payment import PaymentEvent
from reconciler.payments.network import Told
from reconciler.payments.quote import Offer
from reconciler.payments.verdict import Policy, event_of, in_doubt
from reconciler.store.payments import Payment, Payments
from reconciler.store.works import Connection
from reconciler.wire.payment import PaymentError, PaymentHeader


@dataclass(frozen=True, slots=True)
class Known:
    """The payment that a transaction is already, None where it is new."""

    header: PaymentHeader
    offer: Offer

    async def __call__(self, connection: Connection) -> Payment | None:
        """Raises RefusedError where it was for something, or somebody, else, or named another key."""
        payment = await Payments(connection).find(self.header.subject)
        if payment is None:
            return None
        same = (payment.buyer, payment.good, payment.header.prefix, payment.header.suffix)
        if same != (self.offer.buyer, self.offer.good, self.header.prefix, self.header.suffix):
            raise RefusedError("the transaction has paid for something already", code=PaymentError.REUSED.value)
        return payment


@dataclass(frozen=True, slots=True)
class Book:
    """Write a payment down, unless another request of the same payment has done so meanwhile."""

    payment: Payment

    async def __call__(self, connection: Connection) -> Payment:
        """The payment as it stands. Raises RefusedError where one of its coins has paid already."""
        payment = self.payment
        known = await Known(payment.header, Offer(payment.buyer, payment.good, payment.price))(connection)
        if known is not None:
            return known
        payments = Payments(connection)
        if await payments.holders(payment.inputs):
            raise RefusedError(
                "a coin that the transaction spends has paid for something already", code=PaymentError.REUSED.value
            )
        await payments.book(payment)
        return payment


@dataclass(frozen=True, slots=True)
class Note:
    """Write down what follows of what the network says at `now` (unix seconds)."""

    txid: Txid
    told: Told
    policy: Policy
    now: int

    async def __call__(self, connection: Connection) -> Payment:
        """The payment as it stands."""
        payments = Payments(connection)
        payment = await _found(payments, self.txid)
        if self.told.proof is not None:
            await _give_way(payments, payment)
            payment = await payments.prove(payment, self.told.proof)
        payment = await payments.doubt(payment, in_doubt(self.told.word, since=payment.doubted, now=self.now))
        event = self._event(payment)
        return payment if event is None else await payments.move(payment, event, reason=self.told.reason)

    def _event(self, payment: Payment) -> PaymentEvent | None:
        doubted_for = 0 if payment.doubted is None else self.now - payment.doubted
        enough = self.policy.takes(self.told.word, payment.satoshis)
        return event_of(payment.state, self.told.word, enough=enough, doubted_for=doubted_for)


@dataclass(frozen=True, slots=True)
class Deliver:
    """Note that what was bought was served. Again changes nothing."""

    txid: Txid

    async def __call__(self, connection: Connection) -> Payment:
        """The payment as it stands. Raises StateError for one that is not good."""
        payments = Payments(connection)
        return await payments.move(await _found(payments, self.txid), PaymentEvent.DELIVER)


@dataclass(frozen=True, slots=True)
class Unprove:
    """Forget the proofs by blocks that are gone, by height and root."""

    blocks: tuple[tuple[int, Digest], ...]
    now: int

    async def __call__(self, connection: Connection) -> None:
        """See the class."""
        for height, root in self.blocks:
            await Payments(connection).unprove(height, root, self.now)


async def _found(payments: Payments, txid: Txid) -> Payment:
    payment = await payments.find(txid)
    if payment is None:
        raise RefusedError(f"there is no payment {txid}", code=PaymentError.FAILED.value)
    return payment


async def _give_way(payments: Payments, proven: Payment) -> None:
    """Whoever holds a coin of a payment that is mined can never be mined."""
    for txid in await payments.holders(proven.inputs) - {proven.txid}:
        loser = await _found(payments, txid)
        await payments.move(loser, PaymentEvent.LOSE, reason=f"another transaction spent its coins: {proven.txid}")
