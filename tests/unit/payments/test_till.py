"""What a till takes, and what it does not, on a real chain with real coins."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.model.errors import RefusedError
from reconciler.model.keys import FUNDING_KEY
from reconciler.model.payment import PaymentState
from reconciler.store.payments import Payments
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import TxOutput
from tests.paying import FEE, GOOD, PRICE, bring, offer


async def paid(shop, buyer, **how):
    """A payment for the good, not brought yet."""
    return await buyer.pay(shop.till().charge(offer(buyer)), **how)


async def stored(shop, txid):
    async with shop.database.reading() as connection:
        return await Payments(connection).find(txid)


async def test_a_payment_is_accepted_once_the_network_has_seen_it(shop, buyer):
    header = await paid(shop, buyer)
    payment = await bring(shop.till(), header, offer(buyer))
    assert (payment.state, payment.txid, payment.satoshis) == (PaymentState.ACCEPTED, header.subject, PRICE)
    assert await shop.standing(header.subject) == "seen"
    assert await stored(shop, header.subject) == payment
    assert shop.waiting.seconds == []


async def test_what_was_paid_can_be_spent_by_the_seller(shop, buyer):
    payment = await bring(shop.till(), await paid(shop, buyer), offer(buyer))
    coin = (await stored(shop, payment.txid)).coin
    money = Spendable(coin.outpoint, TxOutput(coin.satoshis, coin.locking), coin.key, Lock.P2PKH)
    rest = TxOutput(coin.satoshis - FEE, p2pkh(shop.keys.identity))
    spent = await shop.ledger.submit(signed([money], [rest], shop.keys))
    assert spent.standing.value == "seen"


async def test_the_same_payment_again_is_the_same_payment_and_booked_once(shop, buyer):
    header = await paid(shop, buyer)
    first = await bring(shop.till(), header, offer(buyer))
    await shop.till().delivered(first.txid)
    again = await bring(shop.till(), header, offer(buyer))
    assert (again.txid, again.state) == (first.txid, PaymentState.DELIVERED)
    async with shop.database.reading() as connection:
        assert [each.txid for each in await Payments(connection).earned()] == [header.subject]


async def test_the_same_payment_at_the_same_time_in_several_processes_is_one(shop, buyer):
    header = await paid(shop, buyer)
    taken = await asyncio.gather(*(bring(shop.till(), header, offer(buyer)) for _ in range(8)))
    assert {payment.txid for payment in taken} == {header.subject}
    async with shop.database.reading() as connection:
        assert len(await Payments(connection).earned()) == 1


async def test_more_than_the_price_is_taken_and_told(shop, buyer):
    payment = await bring(shop.till(), await paid(shop, buyer, satoshis=PRICE + 500), offer(buyer))
    assert (payment.price, payment.satoshis) == (PRICE, PRICE + 500)


async def test_a_quoted_price_holds_when_the_price_rises(shop, buyer):
    header = await paid(shop, buyer)
    payment = await bring(shop.till(), header, offer(buyer, price=PRICE * 5))
    assert (payment.price, payment.satoshis) == (PRICE, PRICE)


async def test_what_is_mined_already_is_good_without_being_sent(shop, buyer):
    charge = shop.till().charge(offer(buyer))
    header = await buyer.pay(charge)
    await shop.ledger.submit(header.beef.transactions[header.subject].transaction)
    await shop.ledger.mine()
    mined = await shop.ledger.beef(header.subject)
    proven = type(header)(header.prefix, header.suffix, mined, header.subject)
    payment = await bring(shop.till(), proven, offer(buyer))
    assert payment.state is PaymentState.ACCEPTED
    assert (await stored(shop, header.subject)).height == await shop.ledger.height()


async def test_a_payment_may_spend_the_change_of_the_one_before(shop, buyer):
    first = await paid(shop, buyer, change=5000)
    await bring(shop.till(), first, offer(buyer))
    before = first.beef.transactions[first.subject].transaction
    money = Spendable(before.outpoint(1), before.outputs[1], FUNDING_KEY, Lock.P2PKH)
    second = await paid(shop, buyer, coin=(money, first.beef))
    assert (await bring(shop.till(), second, offer(buyer))).state is PaymentState.ACCEPTED


async def test_nothing_is_owed_for_what_was_delivered(shop, buyer):
    till = shop.till()
    assert await till.owed(buyer.identity, GOOD) is None
    payment = await bring(till, await paid(shop, buyer), offer(buyer))
    assert (await till.owed(buyer.identity, GOOD)).txid == payment.txid
    assert await till.owed(buyer.identity, "dataset/other") is None
    assert await till.owed(shop.buyer("another").identity, GOOD) is None
    await till.delivered(payment.txid)
    assert await till.owed(buyer.identity, GOOD) is None


async def test_what_is_no_payment_cannot_be_delivered(shop):
    with pytest.raises(RefusedError, match="no payment"):
        await shop.till().delivered("00" * 32)
