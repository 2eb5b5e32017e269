"""What a buyer has paid and neither got goods nor money for, and which quotes it makes cheaper (PROTOCOL §7).

A credit is that of one payment, and counts while that payment is not lost. A quote takes its part at once, so that no two take
the same; the part comes back where the quote is not paid in time, or its payment is lost or given back itself. A lost payment
may come back, too: where its part has been used meanwhile, it is given back.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    ForeignKey,
    Table,
    Text,
    and_,
    bindparam,
    func,
    or_,
    select,
    update,
)

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError
from reconciler.model.ids import IdentityKey, Txid
from reconciler.model.payment import EARNED, PaymentState
from reconciler.store.columns import Instant
from reconciler.store.database import Hex, metadata
from reconciler.store.payments import payments
from reconciler.store.works import Connection
from reconciler.wire.payment import PaymentError

buyer_credits = Table(
    "buyer_credits",
    metadata,
    Column("payment", Hex, ForeignKey("payments.txid"), primary_key=True),
    Column("buyer", Hex, nullable=False, index=True),
    Column("satoshis", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
)
"""What of a payment that was given back could not be sent back."""

credit_uses = Table(
    "credit_uses",
    metadata,
    Column("quote", Text, primary_key=True),
    Column("buyer", Hex, nullable=False, index=True),
    Column("satoshis", BigInteger, nullable=False),
    Column("expires", Instant, nullable=False),
    Column("payment", Hex, ForeignKey("payments.txid"), unique=True),
)
"""By how much a quote is cheaper; `payment` is the one that was made by it."""

_USING: Final = EARNED | {PaymentState.PENDING}

_DONE: Final = frozenset({PaymentState.RETURNED, PaymentState.RETRACTED})
"""States of payments that will never have bought anything."""

_PART: Final = (
    select(credit_uses.c.buyer, credit_uses.c.payment, payments.c.state)
    .outerjoin(payments, payments.c.txid == credit_uses.c.payment)
    .where(credit_uses.c.quote == bindparam("quote"))
)
"""Made once: it is asked with every payment."""


class Credits:
    """The credits of one gateway's buyers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def give(self, buyer: IdentityKey, payment: Txid, satoshis: Satoshis, *, reason: str, at: int) -> None:
        """Credit what was paid by a payment that is given back."""
        row = {"payment": payment, "buyer": buyer, "satoshis": satoshis, "reason": reason, "at": at}
        await self._connection.execute(buyer_credits.insert(), [row])

    async def of_payment(self, payment: Txid) -> Satoshis | None:
        """What of this payment was credited; None where nothing was decided about it."""
        found: int | None = await self._connection.scalar(
            select(buyer_credits.c.satoshis).where(buyer_credits.c.payment == payment)
        )
        return None if found is None else Satoshis(found)

    async def available(self, buyer: IdentityKey, now: int) -> Satoshis:
        """What no quote that can be paid has taken, and no payment has used."""
        return Satoshis(max(0, await self._balance(buyer, now)))

    async def _balance(self, buyer: IdentityKey, now: int) -> int:
        given = select(func.coalesce(func.sum(buyer_credits.c.satoshis), 0)).join(
            payments, payments.c.txid == buyer_credits.c.payment
        )
        given = given.where(buyer_credits.c.buyer == buyer, payments.c.state == PaymentState.RETURNED)
        used = select(func.coalesce(func.sum(credit_uses.c.satoshis), 0)).outerjoin(
            payments, payments.c.txid == credit_uses.c.payment
        )
        used = used.where(credit_uses.c.buyer == buyer, _in_use(now))
        return int(await self._connection.scalar(given)) - int(await self._connection.scalar(used))

    async def reserve(self, quote: str, buyer: IdentityKey, satoshis: Satoshis, *, expires: int) -> None:
        """Take a part for a new quote, until it expires."""
        row = {"quote": quote, "buyer": buyer, "satoshis": satoshis, "expires": expires}
        await self._connection.execute(credit_uses.insert(), [row])

    async def extend(self, quote: str, expires: int) -> None:
        """Keep the part of a quote for longer: a template was made of it."""
        await self._connection.execute(update(credit_uses).where(credit_uses.c.quote == quote).values(expires=expires))

    async def use(self, quote: str, payment: Txid, *, now: int) -> None:
        """A payment, which is written down, was made by this quote, in time. Quotes without a part say nothing.

        Raises RefusedError where another payment was, or the credit is not there any more: a part pays once.
        """
        row = (await self._connection.execute(_PART, {"quote": quote})).one_or_none()
        if row is None:
            return
        if row.payment not in {None, payment} and row.state not in _DONE:
            raise _gone("the credit of this quote has been used by another payment")
        used = update(credit_uses).where(credit_uses.c.quote == quote)
        await self._connection.execute(used.values(payment=payment))
        if await self._balance(row.buyer, now) < 0:  # its time was up while the payment was looked at
            raise _gone("the credit of this quote is not there any more")

    async def is_overdrawn(self, buyer: IdentityKey, payment: Txid, now: int) -> bool:
        """Whether a payment uses a part of a credit that others have used up."""
        part = select(credit_uses.c.quote).where(credit_uses.c.payment == payment)
        return await self._connection.scalar(part) is not None and await self._balance(buyer, now) < 0


def _gone(message: str) -> RefusedError:
    return RefusedError(message, code=PaymentError.PREFIX.value, hint="ask for another quote")


def _in_use(now: int) -> ColumnElement[bool]:
    waiting = and_(credit_uses.c.payment.is_(None), credit_uses.c.expires > now)
    return or_(waiting, payments.c.state.in_(sorted(_USING)))
