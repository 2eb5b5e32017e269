"""What a gateway was paid: right as long as nobody meddles, and whatever is meddled with is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import delete, insert, update

from reconciler.control.takings import Sum, takings
from reconciler.model.goods import Good, TierId
from reconciler.model.ids import Digest
from reconciler.model.payment import PaymentState
from reconciler.payments.treasury import Daily, Treasury
from reconciler.store.payments import Payments, payment_inputs, payments
from reconciler.store.payouts import payouts
from reconciler.store.producer import producer_consumers, producer_identities, producer_revenue, published_content
from reconciler.store.receipts import Receipts, Use, receipts
from reconciler.wire.receipt import Receipt
from tests.paying import FEE, PRICE, Shop, bring, offer
from tests.selling import ETH, NETWORK, PRODUCER, open_books, selling


@pytest.fixture
async def shop(tmp_path, database, request):
    shop = Shop(tmp_path, database, request.node.name)
    await open_books(database)
    async with shop.ledger, shop.http:
        yield shop


@pytest.fixture
def audited(shop):
    async def found(gateway=shop.keys):
        return await takings(database=shop.database, gateway=gateway, arc=shop.arc, headers=shop.headers)

    return found


async def buy(shop, buyer, price=PRICE, **how):
    """A payment for one more of the good, accepted."""
    order = offer(buyer, str(ETH), price)
    header = await buyer.pay(shop.till().charge(order), **how)
    return await bring(shop.till(), header, order, selling(ETH))


async def change(shop, *statements):
    async with shop.database.begin() as connection:
        for statement in statements:
            await connection.execute(statement)


def treasury(shop) -> Treasury:
    """Settles whatever is proven."""

    async def at_once():
        return Daily(above=1)

    return Treasury(
        database=shop.database,
        keys=shop.keys,
        producer=PRODUCER,
        miner=shop.arc,
        chain=shop.headers,
        clock=shop.clock,
        cadence=at_once,
    )


async def test_before_anything_is_sold_there_is_nothing(audited):
    found = await audited()
    assert (found.revenue, found.unsettled, found.differences) == (Sum(), Sum(), ())


async def test_what_was_sold_is_there_by_books_coins_and_chain(shop, audited):
    buyer = shop.buyer()
    first = await buy(shop, buyer)
    await buy(shop, shop.buyer("other"), 700)
    await shop.till().delivered(first.txid)
    found = await audited()
    assert (found.revenue, found.unsettled, found.payees) == (Sum(2, 1700), Sum(2, 1700), 0)
    assert found.differences == ()
    await shop.ledger.mine()
    shop.clock.now += 120
    await shop.till().settle()
    assert (await audited()).differences == ()
    assert (await audited(None)).differences == ()


async def test_memberships_are_revenue_too(shop, audited):
    member, order = shop.buyer(), offer(shop.buyer(), "tier/gold")
    header = await member.pay(shop.till().charge(order))
    await bring(shop.till(), header, order, selling(Good(TierId("gold")), downloads=0, bytes=0))
    found = await audited()
    assert (found.revenue, found.differences) == (Sum(1, PRICE), ())


async def test_what_was_lost_is_told_and_is_no_difference(shop, audited):
    buyer = shop.buyer()
    coin = await buyer.coin(PRICE + FEE)
    lost = await buy(shop, buyer, coin=coin)
    await shop.till().delivered(lost.txid)
    await buy(shop, buyer, 700)
    await shop.ledger.replace(lost.txid, await shop.rival(buyer, coin))
    before = await audited()
    assert any(lost.txid in each for each in before.differences)  # the chain is ahead of the books
    shop.clock.now += 120
    await shop.till().settle()
    found = await audited()
    assert (found.revenue, found.unbooked, found.unsettled) == (Sum(1, 700), Sum(1, PRICE), Sum(1, 700))
    assert found.differences == ()


async def test_a_payment_that_nobody_has_judged_yet_is_pending(shop, audited):
    payment = await buy(shop, shop.buyer())
    await change(
        shop,
        delete(receipts),
        delete(producer_revenue),
        update(producer_consumers).values(total_payments_satoshis=0),
        update(producer_identities).values(total_revenue_satoshis=0),
        update(published_content).values(total_revenue_satoshis=0),
        update(payments).where(payments.c.txid == payment.txid).values(state=PaymentState.PENDING),
    )
    found = await audited()
    assert (found.pending, found.revenue, found.differences) == (Sum(1, PRICE), Sum(), ())


async def test_what_was_settled_or_given_back_is_accounted_for_to_the_satoshi(shop, audited):
    kept, back = await buy(shop, shop.buyer(), 2000), await buy(shop, shop.buyer("other"), 3000)
    await shop.till().give_back(back.txid, "sold out")
    await shop.ledger.mine()
    shop.clock.now += 120
    await shop.till().settle()
    before = await audited()
    assert (before.revenue, before.returned, before.unsettled) == (Sum(1, 2000), Sum(1, 3000), Sum(2, 5000))
    assert before.differences == ()

    counter = treasury(shop)
    await counter.round()
    on_the_way = await audited()
    assert on_the_way.differences == ()
    await shop.ledger.mine()
    shop.clock.now += 60
    await counter.round()
    found = await audited()
    assert (found.unsettled, found.differences) == (Sum(), ())
    assert 0 < found.settled < 2000 < found.refunded < 3000
    assert found.settled + found.refunded + found.fees == 5000
    assert (kept.satoshis, found.revenue) == (2000, Sum(1, 2000))


async def test_a_payout_of_more_than_there_was_is_told(shop, audited):
    await buy(shop, shop.buyer(), 2000)
    await shop.ledger.mine()
    shop.clock.now += 120
    await shop.till().settle()
    await treasury(shop).round()
    await change(shop, update(payouts).values(satoshis=5000))
    assert any("as a fee out of" in each for each in (await audited()).differences)
    await change(shop, delete(receipts), delete(producer_revenue), delete(payment_inputs), delete(payments))
    assert any("which no payment has given" in each for each in (await audited()).differences)


async def test_another_gateway_s_money_is_not_ours(shop, audited):
    await buy(shop, shop.buyer())
    found = await audited(shop.buyer("somebody").keys)
    assert len(found.differences) == 1
    assert "not under a key" in found.differences[0]


MEDDLED = {
    "a payment of more than its coin": (update(payments).values(satoshis=PRICE + 1), "satoshis in the books"),
    "a payment below its price": (update(payments).values(price=PRICE + 1), "for what cost"),
    "a payment by another key": (update(payments).values(suffix="b3RoZXI"), "not under a key"),
    "a payment whose coins are free": (delete(payment_inputs), "not kept accordingly"),
    "a lost payment that counts": (update(payments).values(state=PaymentState.UNBOOKED), "says something else"),
    "no revenue": (delete(producer_revenue), "no row of revenue"),
    "no receipt": (delete(receipts), "no receipt"),
    "more revenue": (update(producer_revenue).values(amount_satoshis=PRICE + 1), "says something else"),
    "revenue of somebody else": (update(producer_revenue).values(consumer_id="x"), "says something else"),
    "revenue that does not count": (update(producer_revenue).values(payment_status="pending"), "says something else"),
    "revenue of no payment": (
        insert(producer_revenue).values(
            revenue_id="1", producer_id=PRODUCER, payment_method="cash", amount_satoshis=1, payment_status="earned"
        ),
        "belong to no payment",
    ),
    "a consumer who paid more": (update(producer_consumers).values(total_payments_satoshis=0), "has paid"),
    "a producer who earned more": (update(producer_identities).values(total_revenue_satoshis=1), "has earned"),
    "content that earned more": (update(published_content).values(total_revenue_satoshis=1), "has earned"),
    "more had than allowed": (update(receipts).values(used_downloads=11), "more was had"),
}


@pytest.mark.parametrize("name", MEDDLED)
async def test_what_is_meddled_with_is_told(shop, audited, name):
    await buy(shop, shop.buyer())
    statement, says = MEDDLED[name]
    await change(shop, statement)
    assert any(says in each for each in (await audited()).differences)


async def test_a_receipt_that_was_changed_is_told(shop, audited):
    payment = await buy(shop, shop.buyer())
    stored = await shop.database.read(lambda connection: Receipts(connection).of_payment(payment.txid))
    other = replace(stored.receipt, network=Digest("00" * 32))
    await change(shop, update(receipts).values(body=other.to_bytes()))
    assert ["signature" in each for each in (await audited()).differences] == [True]
    signed: Receipt = replace(stored.receipt, document=NETWORK).signed(shop.keys)
    await change(shop, update(receipts).values(body=signed.to_bytes()))
    assert ["receipt says something else" in each for each in (await audited()).differences] == [True]


async def test_a_payment_that_no_network_knows_is_told(shop, audited):
    payment = await buy(shop, shop.buyer())
    await shop.ledger.mine()
    shop.clock.now += 120
    await shop.till().settle()
    assert (await shop.database.read(lambda connection: Payments(connection).find(payment.txid))).height is not None
    await shop.ledger.reorg(1)
    assert any("no header" in each for each in (await audited()).differences)


async def test_what_was_had_for_a_receipt_is_no_difference(shop, audited):
    payment = await buy(shop, shop.buyer())
    stored = await shop.database.read(lambda connection: Receipts(connection).of_payment(payment.txid))
    await shop.database.write(Use(stored.receipt.id, 10, 10 << 20, int(shop.clock())))
    assert (await audited()).differences == ()
