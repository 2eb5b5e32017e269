"""What a receipt allows is counted in the database: by all processes together, and for as long as its payment holds."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.gateway.allowances import ReceiptAllowances
from reconciler.model.errors import RefusedError
from reconciler.model.goods import Good
from reconciler.model.ids import Digest
from reconciler.model.payment import PaymentEvent
from reconciler.payments.conditions import Conditions
from reconciler.store.database import Database
from reconciler.store.payments import Payments
from reconciler.store.receipts import Receipts
from reconciler.store.terms import Terms
from tests.paying import GOOD, Shop, bring, offer

DOCUMENT = Digest("dd" * 32)


@pytest.fixture
async def shop(tmp_path, database, request):
    shop = Shop(tmp_path, database, request.node.name)
    async with shop.ledger, shop.http:
        yield shop


@pytest.fixture
async def receipt(shop, publisher, make):
    """Of a buyer who has paid: two downloads, 1,000 bytes, 60 seconds."""
    await publisher.publish([make(GOOD, price=1000)])
    buyer, till = shop.buyer(), shop.till()
    order = offer(buyer)
    good = Good.parse(GOOD)
    terms = Terms(
        network=Digest("aa" * 32),
        producer=publisher.identity,
        good=good,
        document=DOCUMENT,
        downloads=2,
        bytes=1000,
        seconds=60,
        tier="none",
    )
    conditions = Conditions(terms=terms)
    payment = await bring(till, await buyer.pay(till.charge(order, conditions)), order, conditions)
    stored = await shop.database.read(lambda connection: Receipts(connection).of_payment(payment.txid))
    return stored.receipt


@pytest.fixture
def allowances(shop):
    return ReceiptAllowances(shop.database, shop.clock)


async def used(shop, receipt):
    stored = await shop.database.read(lambda connection: Receipts(connection).find(receipt.id))
    return stored.used.downloads, stored.used.bytes


async def refusal(awaitable):
    with pytest.raises(RefusedError) as caught:
        await awaitable
    assert caught.value.code in {"403", "404"}
    return caught.value.message


async def test_a_receipt_says_what_it_was_given_for(receipt, allowances):
    bought = await allowances.bought(receipt.id)
    assert (str(bought.record), bought.document_hash) == (GOOD, DOCUMENT)
    assert await allowances.bought(Digest("00" * 32)) is None
    assert "no such receipt" in await refusal(allowances.check(Digest("00" * 32)))


async def test_it_allows_so_many_downloads_and_bytes_and_no_part_of_more(shop, receipt, allowances):
    await allowances.take(receipt.id, downloads=1, size=600)
    await refusal(allowances.take(receipt.id, downloads=1, size=401))
    assert await used(shop, receipt) == (1, 600)
    await allowances.take(receipt.id, downloads=1, size=400)
    await refusal(allowances.take(receipt.id, downloads=1, size=0))
    await refusal(allowances.take(receipt.id, downloads=0, size=1))
    await allowances.check(receipt.id)  # nothing is left, but it is not revoked
    await allowances.put_back(receipt.id, 100)
    await allowances.take(receipt.id, downloads=0, size=100)
    assert await used(shop, receipt) == (2, 1000)


async def test_two_processes_give_no_more_together_than_one(shop, receipt, allowances, database_url):
    other = Database.open(database_url)
    try:
        both = [allowances, ReceiptAllowances(other, shop.clock)]
        takes = (each.take(receipt.id, downloads=0, size=90) for _ in range(10) for each in both)
        results = await asyncio.gather(*takes, return_exceptions=True)
    finally:
        await other.close()
    assert sum(result is None for result in results) == 11
    assert {type(result) for result in results} == {type(None), RefusedError}
    assert await used(shop, receipt) == (0, 990)


async def test_it_ends_when_its_time_is_up(shop, receipt, allowances):
    shop.clock.now += 59
    await allowances.take(receipt.id, downloads=1, size=1)
    shop.clock.now += 1
    assert "ended" in await refusal(allowances.take(receipt.id, downloads=0, size=1))
    assert "ended" in await refusal(allowances.check(receipt.id))


async def test_a_payment_that_is_lost_takes_its_receipt_with_it(shop, receipt, allowances):
    async with shop.database.begin() as connection:
        payment = await Payments(connection).find(receipt.txid)
        await Payments(connection).move(payment, PaymentEvent.LOSE, reason="spent twice")
    assert "revoked" in await refusal(allowances.take(receipt.id, downloads=0, size=1))
    assert "revoked" in await refusal(allowances.check(receipt.id))
    await allowances.put_back(receipt.id, 0)
    assert await used(shop, receipt) == (0, 0)
