"""What was paid for and cannot be served any more goes back, and nothing else does."""

from __future__ import annotations

import pytest

from reconciler.model.goods import Good, TierId
from reconciler.model.payment import PaymentState
from reconciler.payments.undelivered import PATIENCE, Undelivered
from reconciler.store.payments import Payments
from reconciler.store.receipts import Receipts, Use
from tests.paying import bring, offer
from tests.selling import BTC, ETH, VERSION, open_books, selling, totals


class Stock:
    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.asked: list[str] = []

    async def has(self, document):
        self.asked.append(document)
        return document not in self.gone


@pytest.fixture
async def stock(shop):
    await open_books(shop.database)
    return Stock()


@pytest.fixture
def owed(shop, stock):
    return Undelivered(database=shop.database, till=shop.till(), stock=stock, clock=shop.clock)


async def bought(shop, buyer, good=BTC, **more):
    wanted = offer(buyer, good=str(good))
    till = shop.till()
    return await bring(till, await buyer.pay(till.charge(wanted)), wanted, selling(good, **more))


async def state(shop, payment):
    async with shop.database.reading() as connection:
        return (await Payments(connection).find(payment.txid)).state


async def looked(shop, owed, seconds=PATIENCE):
    shop.clock.now += seconds
    return [payment.txid for payment in await owed.round()]


async def test_what_could_not_be_had_for_a_day_is_given_back_and_no_revenue_any_more(shop, buyer, stock, owed):
    payment = await bought(shop, buyer)
    stock.gone.add(VERSION)
    assert await looked(shop, owed) == []
    assert await looked(shop, owed, PATIENCE - 1) == []
    assert await looked(shop, owed, 1) == [payment.txid]
    assert await state(shop, payment) is PaymentState.RETURNED
    async with shop.database.reading() as connection:
        stored = await Receipts(connection).of_payment(payment.txid)
    assert stored.state(int(shop.clock())) == "revoked"
    assert (await shop.database.read(totals)).consumers == 0
    assert await looked(shop, owed) == []


async def test_what_is_there_again_in_between_waits_anew(shop, buyer, stock, owed):
    payment = await bought(shop, buyer)
    stock.gone.add(VERSION)
    await looked(shop, owed)
    stock.gone.clear()
    await looked(shop, owed)
    stock.gone.add(VERSION)
    assert await looked(shop, owed) == []
    assert await state(shop, payment) is PaymentState.ACCEPTED


async def test_what_was_served_and_what_is_new_stays(shop, stock, owed):
    served = await bought(shop, shop.buyer("served"))
    await shop.till().delivered(served.txid)
    stock.gone.add(VERSION)
    await looked(shop, owed)
    assert stock.asked == []
    new = await bought(shop, shop.buyer("new"))
    assert await looked(shop, owed, PATIENCE - 1) == []
    assert (await state(shop, served), await state(shop, new)) == (PaymentState.DELIVERED, PaymentState.ACCEPTED)


async def test_a_version_is_asked_for_once_for_all_who_wait_for_it(shop, stock, owed):
    for name in ("one", "two"):
        await bought(shop, shop.buyer(name))
    await bought(shop, shop.buyer("three"), ETH, document="e7" * 32)
    await looked(shop, owed)
    assert sorted(stock.asked) == sorted({VERSION, "e7" * 32})


async def test_what_somebody_had_bytes_of_is_not_given_back_though_nobody_could_note_it(shop, buyer, stock, owed):
    payment = await bought(shop, buyer)
    async with shop.database.begin() as connection:
        receipt = (await Receipts(connection).of_payment(payment.txid)).receipt
    await shop.database.write(Use(receipt.id, 1, 100, int(shop.clock())))
    stock.gone.add(VERSION)
    await looked(shop, owed)
    assert await looked(shop, owed) == []
    assert await state(shop, payment) is PaymentState.ACCEPTED


async def test_memberships_and_what_nobody_fetches_do_not_stand_in_the_way(shop, stock, owed, monkeypatch):
    monkeypatch.setattr("reconciler.payments.undelivered._AT_ONCE", 1)
    await bought(shop, shop.buyer("member"), Good(TierId("gold")), downloads=0, bytes=0)
    await bought(shop, shop.buyer("waiting"))
    payment = await bought(shop, shop.buyer("three"), ETH, document="e7" * 32)
    stock.gone.add("e7" * 32)
    assert await looked(shop, owed) == []
    assert await looked(shop, owed) == [payment.txid]
    assert set(stock.asked) == {VERSION, "e7" * 32}
