"""What is written down about payments: works of the database (store.works), each of them one step that cannot be half done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.model.errors import RefusedError
from reconciler.model.ids import Digest, Txid
from reconciler.model.payment import EARNED, HOLDING, PaymentEvent, PaymentState, advance
from reconciler.payments.network import Told
from reconciler.payments.ports import Receiver
from reconciler.payments.sale import follow
from reconciler.payments.verdict import event_of, in_doubt, suffices
from reconciler.store.buyer_credits import Credits
from reconciler.store.payments import Payment, Payments
from reconciler.store.sales import Sales
from reconciler.store.works import Connection
from reconciler.wire.payment import PaymentError
from reconciler.wire.tender import Tender


@dataclass(frozen=True, slots=True)
class Known:
    """The payment that a transaction is already, None where it is new."""

    tender: Tender
    good: str

    async def __call__(self, connection: Connection) -> Payment | None:
        """Raises RefusedError where it was for something, or somebody, else, or named another key."""
        payment = await Payments(connection).find(self.tender.subject)
        if payment is None:
            return None
        if payment.good != self.good or not payment.tender.is_same(self.tender):
            raise RefusedError("the transaction has paid for something already", code=PaymentError.REUSED.value)
        return payment


@dataclass(frozen=True, slots=True)
class Book:
    """Write a payment down, unless another request of the same payment has done so meanwhile."""

    payment: Payment
    quote: str | None = None
    """By which the price was promised, and which may have taken a part of the buyer's credit."""

    async def __call__(self, connection: Connection) -> Payment:
        """The payment as it stands. Raises RefusedError where one of its coins has paid already, or the credit of its quote."""
        payment = self.payment
        known = await Known(payment.tender, payment.good)(connection)
        if known is not None:
            return known
        payments = Payments(connection)
        if await payments.holders(payment.inputs):
            raise RefusedError(
                "a coin that the transaction spends has paid for something already", code=PaymentError.REUSED.value
            )
        await payments.book(payment)
        if self.quote is not None and payment.state is not PaymentState.RETURNED:
            await Credits(connection).use(self.quote, payment.txid, now=payment.booked)
        return payment


@dataclass(frozen=True, slots=True)
class Note:
    """Write down what follows of what the network says of a payment at `now` (unix seconds)."""

    payment: Payment
    """As it was when the network was asked."""
    told: Told
    seller: Receiver
    now: int
    serves: bool = False
    """Whether what was bought is given as soon as the payment is accepted."""

    async def __call__(self, connection: Connection) -> Payment:
        """The payment as it stands."""
        payments = Payments(connection)
        before = payment = await payments.again(self.payment)
        if self.told.proof is not None:
            await self._give_way(connection, payment)
            payment = await payments.prove(payment, self.told.proof)
        doubted = self._doubted(payment)
        steps = tuple(self._steps(payment, doubted))
        payment = await payments.note(payment, *steps, doubted=doubted, reason=self.told.reason)
        if before.state not in HOLDING and payment.state in EARNED:
            payment = await self._come_back(connection, payment)
        return await follow(connection, before, payment, seller=self.seller, now=self.now)

    def follows(self, payment: Payment) -> bool:
        """Whether there is anything to be written down of a payment that stands so."""
        doubted = self._doubted(payment)
        return self.told.proof is not None or doubted != payment.doubted or any(self._steps(payment, doubted))

    def _doubted(self, payment: Payment) -> int | None:
        return in_doubt(self.told.word, since=payment.doubted, now=self.now)

    def _steps(self, payment: Payment, doubted: int | None) -> Iterator[PaymentEvent]:
        event = event_of(
            payment.state,
            self.told.word,
            enough=suffices(self.told.word, payment.accept),
            doubted_for=0 if doubted is None else self.now - doubted,
        )
        if event is not None:
            yield event
            # What was lost meanwhile may have to go back: its credit may have paid for something else since.
            is_sold = payment.state in HOLDING and advance(payment.state, event) is PaymentState.ACCEPTED
            if self.serves and is_sold:
                yield PaymentEvent.DELIVER

    async def _come_back(self, connection: Connection, payment: Payment) -> Payment:
        """A credit pays once: where another payment has used it since this one was lost, this one was too little."""
        if not await Credits(connection).is_overdrawn(payment.buyer, payment.txid, self.now):
            return payment
        reason = "it was lost, and the credit of its quote has paid for something else since"
        return await Payments(connection).move(payment, PaymentEvent.RETURN, reason=reason)

    async def _give_way(self, connection: Connection, proven: Payment) -> None:
        """Whoever holds a coin of a payment that is mined can never be mined."""
        payments = Payments(connection)
        reason = f"another transaction spent its coins: {proven.txid}"
        for txid in await payments.holders(proven.inputs) - {proven.txid}:
            before = await _found(payments, txid)
            loser = await payments.move(before, PaymentEvent.LOSE, reason=reason)
            await follow(connection, before, loser, seller=self.seller, now=self.now)


@dataclass(frozen=True, slots=True)
class Deliver:
    """Note that what was bought was served. Again changes nothing."""

    txid: Txid

    async def __call__(self, connection: Connection) -> Payment:
        """The payment as it stands. Raises StateError for one that is not good."""
        payments = Payments(connection)
        return await payments.move(await _found(payments, self.txid), PaymentEvent.DELIVER)


@dataclass(frozen=True, slots=True)
class Return:
    """Give a payment back: nothing will be served for it. Again changes nothing."""

    txid: Txid
    reason: str
    seller: Receiver
    now: int

    async def __call__(self, connection: Connection) -> Payment:
        """The payment as it stands. Raises StateError for one that was served, or is lost."""
        payments = Payments(connection)
        before = await _found(payments, self.txid)
        after = await payments.move(before, PaymentEvent.RETURN, reason=self.reason)
        await follow(connection, before, after, seller=self.seller, now=self.now)
        return after


@dataclass(frozen=True, slots=True)
class Unprove:
    """Forget the proofs by blocks that are gone, by height and root."""

    blocks: tuple[tuple[int, Digest], ...]
    now: int

    async def __call__(self, connection: Connection) -> None:
        """See the class."""
        for height, root in self.blocks:
            gone = await Payments(connection).unprove(height, root, self.now)
            await Sales(connection).unproven(gone)


async def _found(payments: Payments, txid: Txid) -> Payment:
    payment = await payments.find(txid)
    if payment is None:
        raise RefusedError(f"there is no payment {txid}", code=PaymentError.FAILED.value)
    return payment
