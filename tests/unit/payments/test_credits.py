"""A credit pays once: whatever is late, lost or back again."""

from __future__ import annotations

import pytest

from reconciler.model.errors import RefusedError
from reconciler.model.payment import PaymentState
from reconciler.payments.till import PendingError
from reconciler.payments.verdict import GIVEN_UP_AFTER
from reconciler.store.buyer_credits import Credits
from reconciler.store.payments import Payments
from reconciler.wire.arc import TxReport, TxStatus
from tests.paying import PRICE, Between, bring, offer
from tests.selling import open_books, selling

CREDIT = PRICE // 2
WINDOW = 600
CHEAPER = PRICE - CREDIT


async def unseen(report: TxReport) -> TxReport:
    return TxReport(txid=report.txid, status=TxStatus.STORED)


@pytest.fixture
async def credited(shop, buyer):
    """A buyer who has paid for what was never served."""
    await open_books(shop.database)
    wanted = offer(buyer, price=CREDIT)
    till = shop.till()
    payment = await bring(till, await buyer.pay(till.charge(wanted)), wanted)
    await till.give_back(payment.txid, "it cannot be served")
    async with shop.database.begin() as connection:
        await Credits(connection).give(buyer.identity, payment.txid, CREDIT, reason="", at=int(shop.clock()))
    return buyer


async def left(shop, buyer):
    async with shop.database.reading() as connection:
        return await Credits(connection).available(buyer.identity, int(shop.clock()))


async def reserved(shop, buyer):
    """A quote that takes all of the credit, if it is there."""
    charge = shop.till().charge(offer(buyer, price=CHEAPER))
    now = int(shop.clock())
    async with shop.database.begin() as connection:
        assert await Credits(connection).available(buyer.identity, now) == CREDIT
        await Credits(connection).reserve(charge.prefix, buyer.identity, CREDIT, expires=now + WINDOW)
    return charge


async def pay(shop, buyer, charge, till=None):
    header = await buyer.pay(charge)
    return await bring(till or shop.till(), header, offer(buyer, price=PRICE), selling())


async def state(shop, txid):
    async with shop.database.reading() as connection:
        payment = await Payments(connection).find(txid)
    return None if payment is None else payment.state


async def test_a_credit_whose_time_was_up_while_the_payment_was_looked_at_is_not_used_twice(shop, credited):
    first = await reserved(shop, credited)

    async def slowly(*_):
        shop.clock.now += WINDOW
        await reserved(shop, credited)

    late = shop.till(chain=Between(shop.headers, before={"verified": slowly}))
    with pytest.raises(RefusedError, match="not there any more") as refused:
        await pay(shop, credited, first, late)
    assert refused.value.code == "ERR_INVALID_DERIVATION_PREFIX"
    assert await state(shop, credited.paid[-1].subject) is None
    assert await left(shop, credited) == 0


async def lost(shop, buyer, charge):
    """A payment that the network does not show for an hour."""
    blind = shop.till(miner=Between(shop.arc, after={"submit": unseen, "status": unseen}))
    with pytest.raises(PendingError):
        await pay(shop, buyer, charge, blind)
    shop.clock.now += GIVEN_UP_AFTER
    await blind.settle()
    txid = buyer.paid[-1].subject
    assert await state(shop, txid) is PaymentState.REFUSED
    return txid


async def back(shop):
    await shop.ledger.mine()
    shop.clock.now += 60
    await shop.till().settle()


async def test_a_lost_payment_that_is_back_is_given_back_where_its_credit_has_paid_for_something_else(shop, credited):
    txid = await lost(shop, credited, await reserved(shop, credited))
    other = await pay(shop, credited, await reserved(shop, credited))
    assert other.state is PaymentState.ACCEPTED
    await back(shop)
    assert (await state(shop, txid), await state(shop, other.txid)) == (PaymentState.RETURNED, PaymentState.ACCEPTED)
    assert await left(shop, credited) == 0


async def test_a_lost_payment_that_is_back_has_its_credit_where_nothing_else_has_used_it(shop, credited):
    txid = await lost(shop, credited, await reserved(shop, credited))
    assert await left(shop, credited) == CREDIT
    await back(shop)
    assert (await state(shop, txid), await left(shop, credited)) == (PaymentState.ACCEPTED, 0)


async def test_the_quote_of_a_lost_payment_makes_no_other_one_cheaper(shop, credited):
    charge = shop.till().charge(offer(credited, price=CHEAPER))
    async with shop.database.begin() as connection:
        expires = int(shop.clock()) + WINDOW
        await Credits(connection).reserve(charge.prefix, credited.identity, CREDIT, expires=expires)
    refusing = shop.till(miner=Between(shop.arc, after={"submit": rejected}))
    with pytest.raises(RefusedError):
        await pay(shop, credited, charge, refusing)
    assert await state(shop, credited.paid[-1].subject) is PaymentState.REFUSED
    with pytest.raises(RefusedError, match="used by another payment"):
        await pay(shop, credited, charge)


async def rejected(report: TxReport) -> TxReport:
    raise RefusedError("the fee is too low", code="465")
