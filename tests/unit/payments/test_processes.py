"""Several processes on one database, and processes that are killed between any two steps: paid once, and not for nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from reconciler.model.errors import RefusedError
from reconciler.model.payment import PaymentState
from reconciler.store.payments import Payments
from reconciler.store.receipts import Receipts, Use, Used
from reconciler.wire.beef import parse_beef
from reconciler.wire.payment import PaymentHeader
from reconciler.wire.receipt import Receipt
from tests import templates
from tests.paying import GOOD, PRICE, Between, bring, in_children, kill, offer, open_shop
from tests.selling import open_books, selling, terms, totals


async def die(*_):
    kill()


async def paid(shop, buyer):
    return await buyer.pay(shop.till().charge(offer(buyer)))


async def state_of(shop, txid):
    async with shop.database.reading() as connection:
        payment = await Payments(connection).find(txid)
    return None if payment is None else payment.state


def test_one_payment_in_two_processes_at_the_same_time(tmp_path, database_url, request):
    name = request.node.name

    async def make():
        async with open_shop(tmp_path, database_url, name) as shop:
            buyer = shop.buyer()
            return (await buyer.pay(shop.till().charge(offer(buyer)))).to_text()

    async def take():
        async with open_shop(tmp_path, database_url, name) as shop:
            buyer = shop.buyer()
            taken = await asyncio.gather(*(bring(shop.till(), header, offer(buyer)) for _ in range(4)))
            return [[payment.txid, payment.state] for payment in taken]

    header = PaymentHeader.parse(asyncio.run(make()))
    here, there = in_children(take, take)
    assert here == there == [[header.subject, "accepted"]] * 4


def test_two_payments_that_share_a_coin_in_two_processes(tmp_path, database_url, request):
    name = request.node.name
    goods = ["dataset/one", "dataset/other"]

    async def make():
        async with open_shop(tmp_path, database_url, name) as shop:
            buyer = shop.buyer()
            coin = await buyer.coin(3 * PRICE)
            charges = [shop.till().charge(offer(buyer, good=good)) for good in goods]
            return [(await buyer.pay(charge, coin=coin)).to_text() for charge in charges]

    headers = dict(zip(goods, asyncio.run(make()), strict=True))

    def taking(good: str):
        async def take():
            async with open_shop(tmp_path, database_url, name) as shop:
                try:
                    payment = await bring(
                        shop.till(), PaymentHeader.parse(headers[good]), offer(shop.buyer(), good=good)
                    )
                except RefusedError as error:
                    return error.code
                return payment.state

        return take

    assert sorted(in_children(*map(taking, goods))) == ["ERR_PAYMENT_REUSED", "accepted"]


def test_one_payment_is_one_sale_in_two_processes(tmp_path, database_url, request):
    """Each of them looks at it, too, as long as it is pending; one receipt is signed, and everything is counted once."""
    name = request.node.name

    async def make():
        async with open_shop(tmp_path, database_url, name) as shop:
            await open_books(shop.database)
            buyer = shop.buyer()
            return (await buyer.pay(shop.till().charge(offer(buyer)))).to_text()

    async def take():
        async with open_shop(tmp_path, database_url, name) as shop:
            order = offer(shop.buyer())
            works = (bring(shop.till(), header, order, selling()) for _ in range(4))
            await asyncio.gather(*works, *(shop.till().settle() for _ in range(4)))
            stored = await shop.database.read(lambda connection: Receipts(connection).of_payment(header.subject))
            return stored.receipt.to_json()

    async def count():
        async with open_shop(tmp_path, database_url, name) as shop:
            return await shop.database.read(totals)

    header = PaymentHeader.parse(asyncio.run(make()))
    here, there = in_children(take, take)
    assert here == there
    Receipt.parse(here).check()
    found = asyncio.run(count())
    assert (found.agree, found.revenue) == (True, PRICE)


def test_one_native_payment_is_one_sale_in_two_processes(tmp_path, database_url, request):
    """Both are brought it at the same time, and both answer with the one receipt."""
    name = request.node.name

    def sales_of(shop):
        counter = templates.Counter(shop)
        counter.selling_now = replace(counter.selling_now, terms=terms())
        return templates.sell(shop, counter)

    async def make():
        async with open_shop(tmp_path, database_url, name) as shop:
            await open_books(shop.database)
            buyer = shop.buyer()
            made = await templates.template(shop, sales_of(shop), buyer)
            beef, txid = await templates.transaction(buyer, templates.outputs(made))
            return made.id, beef.to_atomic(txid), txid

    async def take():
        async with open_shop(tmp_path, database_url, name) as shop:
            sales, buyer = sales_of(shop), shop.buyer().identity
            paid = await asyncio.gather(*(sales.pay(buyer, template, parse_beef(shown)[0], txid) for _ in range(4)))
            receipt = await shop.database.read(lambda connection: Receipts(connection).of_payment(txid))
            return [sorted({(payment.txid, payment.state.value) for payment in paid}), receipt.receipt.to_json()]

    async def count():
        async with open_shop(tmp_path, database_url, name) as shop:
            return await shop.database.read(totals)

    template, shown, txid = asyncio.run(make())
    here, there = in_children(take, take)
    assert here == there
    assert here[0] == [[txid, "accepted"]]
    Receipt.parse(here[1]).check()
    found = asyncio.run(count())
    assert (found.agree, found.revenue) == (True, templates.PRICE)


def test_what_a_receipt_allows_is_given_once_by_two_processes(tmp_path, database_url, request):
    name = request.node.name

    async def sell():
        async with open_shop(tmp_path, database_url, name) as shop:
            await open_books(shop.database)
            order = offer(shop.buyer())
            header = await shop.buyer().pay(shop.till().charge(order))
            payment = await bring(shop.till(), header, order, selling(downloads=10, bytes=1000))
            stored = await shop.database.read(lambda connection: Receipts(connection).of_payment(payment.txid))
            return stored.receipt.id

    async def have():
        async with open_shop(tmp_path, database_url, name) as shop:
            uses = (shop.database.write(Use(receipt, 1, 90, int(shop.clock()))) for _ in range(8))
            given = await asyncio.gather(*uses, return_exceptions=True)
            assert all(isinstance(each, RefusedError) for each in given if isinstance(each, BaseException))
            return sum(not isinstance(each, BaseException) for each in given)

    async def left():
        async with open_shop(tmp_path, database_url, name) as shop:
            return (await shop.database.read(lambda connection: Receipts(connection).find(receipt))).used

    receipt = asyncio.run(sell())
    assert sum(in_children(have, have)) == 10
    assert asyncio.run(left()) == Used(10, 900)


def dies_checked(shop):
    return shop.till(chain=Between(shop.headers, after={"verified": die}))


def dies_booked(shop):
    return shop.till(miner=Between(shop.arc, before={"submit": die}))


def dies_sent(shop):
    return shop.till(miner=Between(shop.arc, after={"submit": die}))


def dies_accepted(shop):
    return shop.till()


KILLS = {
    dies_checked: (None, None),
    dies_booked: (PaymentState.PENDING, None),
    dies_sent: (PaymentState.PENDING, "seen"),
    dies_accepted: (PaymentState.ACCEPTED, "seen"),
}
"""Where a process dies while it takes a payment; the state in which it leaves it, and what the network has of it."""


@pytest.mark.parametrize("then", ["brought again", "in the background"])
@pytest.mark.parametrize("dies", KILLS, ids=lambda dies: dies.__name__)
def test_a_process_is_killed_while_it_takes_a_payment(tmp_path, database_url, request, dies, then):
    name = request.node.name

    async def take_and_die():
        async with open_shop(tmp_path, database_url, name) as shop:
            buyer = shop.buyer()
            await bring(dies(shop), header, offer(buyer), selling())
            kill()

    async def make():
        async with open_shop(tmp_path, database_url, name) as shop:
            await open_books(shop.database)
            return (await paid(shop, shop.buyer())).to_text()

    async def go_on():
        async with open_shop(tmp_path, database_url, name) as shop:
            buyer, till = shop.buyer(), shop.till()
            assert (await state_of(shop, header.subject), await shop.standing(header.subject)) == KILLS[dies]
            if then == "brought again" or dies is dies_checked:
                taken = await bring(till, header, offer(buyer), selling())
            else:
                shop.clock.now += 60
                await till.settle()
                taken = await till.awaited(await till.owed(buyer.identity, GOOD))
            assert (taken.txid, taken.state) == (header.subject, PaymentState.ACCEPTED)
            await till.delivered(taken.txid)
            assert (await bring(till, header, offer(buyer), selling())).state is PaymentState.DELIVERED
            async with shop.database.reading() as connection:
                assert len(await Payments(connection).earned()) == 1
                assert (await Receipts(connection).of_payment(header.subject)).state(int(shop.clock())) == "live"
                found = await totals(connection)
                assert (found.agree, found.revenue) == (True, PRICE)

    header = PaymentHeader.parse(asyncio.run(make()))
    assert in_children(take_and_die) == [None]
    asyncio.run(go_on())
