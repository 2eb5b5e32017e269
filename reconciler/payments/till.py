"""Where payments are taken: each once, durably, and by what the network says of it (PROTOCOL §7).

Any number of processes may share one till: what it knows lies in the database, where one writes at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

from reconciler.model.errors import RefusedError, TransientError
from reconciler.model.ids import IdentityKey, Txid
from reconciler.model.keys import QUOTE_KEY
from reconciler.model.payment import EARNED, PaymentMethod, PaymentState
from reconciler.payments.books import Book, Deliver, Known, Note, Return, Unprove
from reconciler.payments.check import checked
from reconciler.payments.conditions import PLAIN, Conditions
from reconciler.payments.network import Network, Told
from reconciler.payments.ports import Chain, Miner, Receiver
from reconciler.payments.quote import RANDOM, Offer, Use, prefix_of, quoted
from reconciler.store.database import Database
from reconciler.store.payments import Payment, Payments
from reconciler.wire.payment import Charge, PaymentError
from reconciler.wire.tender import Tender

HOLD_SECONDS: Final = 30.0
"""For how long a payment is waited for that the network does not show yet."""

_BETWEEN_LOOKS: Final = (0.5, 1.0, 2.0, *(4.0,) * 10)
"""Seconds between two looks at a payment that somebody waits for."""

_EVERY: Final = 10
"""Seconds between two looks at one pending payment in the background, by whichever process."""
_SELDOM: Final = 60
"""The same for one that waits for its block."""
_LONG: Final = 3600
"""Seconds after which one is looked at, whether or not there was a block."""
_AT_ONCE: Final = 20
"""Payments that the network is asked about in one round."""
_LOST_LOOKED_AT: Final = 24 * 3600
"""Seconds for which a payment that was lost is looked at: it may get into a block after all."""


class PendingError(TransientError):
    """It is not known yet whether a payment is good: the same again is the way to find out."""


class Till:
    """What one seller is paid. `receiver` is the same in every process; `clock` gives unix seconds."""

    def __init__(
        self,
        *,
        database: Database,
        receiver: Receiver,
        miner: Miner,
        chain: Chain,
        clock: Callable[[], float],
        randomness: Callable[[int], bytes],
        hold_seconds: float = HOLD_SECONDS,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._receiver = receiver
        self._chain = chain
        self._network = Network(miner=miner, chain=chain)
        self._seal = partial(receiver.mac, QUOTE_KEY)
        self._clock = clock
        self._randomness = randomness
        self._hold_seconds = hold_seconds
        self._pause = pause
        self._tip: tuple[int, int] | None = None
        """The height at which the chain was last seen to have grown, and when (unix seconds)."""

    def charge(self, offer: Offer, conditions: Conditions = PLAIN) -> Charge:
        """What a 402 asks for an offer. Nothing is kept of it."""
        expires = int(self._clock()) + conditions.seconds
        use = Use.TEMPLATE if conditions.natively else Use.REQUEST
        prefix = prefix_of(offer, seal=self._seal, random=self._randomness(RANDOM), expires=expires, use=use)
        return Charge(offer.price, prefix, self._receiver.identity)

    async def owed(self, buyer: IdentityKey, good: str) -> Payment | None:
        """The payment of this buyer for this good for which nothing was served yet: accepted, or still to be known."""
        return await self._database.glance(lambda connection: Payments(connection).owed(buyer, good))

    async def known(self, tender: Tender, good: str) -> Payment | None:
        """The payment that a tender is already; None where it is new. Raises RefusedError where it was for something else."""
        return await self._database.glance(Known(tender, good))

    async def take(self, tender: Tender, offer: Offer, conditions: Conditions = PLAIN) -> Payment:
        """A payment that came with a request for an offer; returns once it is accepted. The same again is the same payment.

        The conditions are those of today, and frozen with a payment that is new. For other methods than BRC-105 the offer's
        price is what was asked of this payment. Raises RefusedError with a code of `PaymentError`, PendingError where the
        network has not shown it in time, and UnreachableError where nothing could be done; after either of these, the same
        again may be accepted.
        """
        payment, is_new = await self._entered(tender, offer, conditions)
        return await self._accepted(payment, serves=is_new and conditions.at_hand)

    async def booked(self, tender: Tender, offer: Offer, conditions: Conditions = PLAIN) -> Payment:
        """The payment as it is written down, checked, whatever the network makes of it. Raises RefusedError, UnreachableError."""
        payment, _ = await self._entered(tender, offer, conditions)
        return payment

    async def _entered(self, tender: Tender, offer: Offer, conditions: Conditions) -> tuple[Payment, bool]:
        """The same, and whether it is new."""
        payment = await self.known(tender, offer.good)
        if payment is not None:
            return payment, False
        found = await checked(
            tender,
            offer,
            conditions,
            receiver=self._receiver,
            chain=self._chain,
            seal=self._seal,
            now=int(self._clock()),
        )
        own = tender.prefix if tender.method is PaymentMethod.BRC105 else None  # by the others, it is the payer's word
        payment = await self._database.jot(Book(found, conditions.quote or own))
        return payment, payment is found

    def promised(self, prefix: str, offer: Offer) -> None:
        """Raises RefusedError unless this price was quoted to this buyer for this good, and still holds."""
        quoted(prefix, offer, amounts=(offer.price,), seal=self._seal, now=self._clock(), uses=Use)

    async def give_back(self, txid: Txid, reason: str) -> Payment:
        """An accepted payment for what will never be served goes back to its buyer. Again changes nothing.

        Raises StateError for one that was served, or is lost.
        """
        return await self._database.write(Return(txid, reason, self._receiver, int(self._clock())))

    async def awaited(self, payment: Payment) -> Payment:
        """The payment, once it is accepted. Raises as `take` does."""
        return await self._accepted(payment, serves=False)

    async def _accepted(self, payment: Payment, *, serves: bool) -> Payment:
        with suppress(TimeoutError):  # it stays what it was, which is told below
            until = asyncio.get_running_loop().time() + self._hold_seconds
            payment = await self._watched(payment, until, serves=serves)
        if payment.state in EARNED:
            return payment
        if payment.state is PaymentState.PENDING:
            raise PendingError("the network has not shown the payment yet", hint="send the same payment again")
        raise RefusedError(
            f"the payment is {payment.state}: {payment.reason or 'the network did not take it'}",
            code=PaymentError.FAILED.value,
        )

    async def delivered(self, txid: Txid) -> Payment:
        """Note that what was bought was served. Again changes nothing. Raises StateError for a payment that is not good."""
        return await self._database.jot(Deliver(txid))

    async def settle(self) -> tuple[Payment, ...]:
        """One round of what goes on without requests: pending payments get known, others proven, or lost.

        What the network has shown waits for a block: nobody is asked about it between a minute after one and the next. Returns
        those that were looked at, as they are now.
        """
        await self._drop_lost_proofs()
        now = int(self._clock())
        grown = await self._grown(now)
        due = await self._database.write(
            lambda connection: Payments(connection).due(
                now, every=_EVERY, seldom=_SELDOM, patience=_LOST_LOOKED_AT, limit=_AT_ONCE, grown=grown
            )
        )
        return tuple(await asyncio.gather(*map(self._look, due)))

    async def settling(self, every: float = 5.0) -> None:
        """Rounds for ever, `every` so many seconds apart where there is little to do; for a server's background."""
        while True:
            looked: tuple[Payment, ...] = ()
            with suppress(TransientError, RefusedError):  # the next round comes anyway
                looked = await self.settle()
            if len(looked) < _AT_ONCE:
                await self._pause(every)

    async def _watched(self, payment: Payment, until: float, *, serves: bool) -> Payment:
        """The payment when it is known, or cannot be waited for any longer. Time breaks off questions, never what is written."""
        for seconds in _BETWEEN_LOOKS:
            if payment.state is not PaymentState.PENDING:
                break
            async with asyncio.timeout_at(until):
                told = await self._network.ask(payment)
            payment = await self._note(payment, told, serves=serves)
            if payment.state is PaymentState.PENDING:
                async with asyncio.timeout_at(until):
                    await self._pause(seconds)
        return payment

    async def _grown(self, now: int) -> int:
        """When the chain was last seen to grow; it counts as grown after an hour in any case."""
        height = await self._chain.height()
        if self._tip is None or self._tip[0] != height or now - self._tip[1] >= _LONG:
            self._tip = height, now
        return self._tip[1]

    async def _look(self, payment: Payment) -> Payment:
        return await self._note(payment, await self._network.ask(payment))

    async def _note(self, payment: Payment, told: Told, *, serves: bool = False) -> Payment:
        """Write down what follows of what the network says, if anything does."""
        note = Note(payment, told, self._receiver, int(self._clock()), serves)
        return await self._database.jot(note) if note.follows(payment) else payment

    async def _drop_lost_proofs(self) -> None:
        """A reorg takes the end of the chain away: where the highest proof holds, all do."""
        while True:
            newest = await self._database.read(lambda connection: Payments(connection).newest_blocks())
            lost = [block for block in newest if await self._chain.root(block[0]) != block[1]]
            if not lost:
                return
            await self._database.write(Unprove(tuple(lost), int(self._clock())))
            self._tip = None  # a chain that has changed is news, though it be no longer than before
