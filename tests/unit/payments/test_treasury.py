"""What becomes of what was paid: settled to the producer, or given back, on a real chain."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest

from reconciler.model.amounts import FeeRate, Satoshis
from reconciler.model.errors import UnreachableError
from reconciler.model.journal import JournalState
from reconciler.model.keys import FUNDING_KEY, settlement_key
from reconciler.model.payment import PaymentEvent, PaymentState
from reconciler.model.payout import PayoutKind
from reconciler.payments.payout import fee_of, refund_key
from reconciler.payments.treasury import Daily, Treasury
from reconciler.store.buyer_credits import Credits
from reconciler.store.payments import Payments
from reconciler.store.payouts import Payouts
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.wire.arc import TxStatus
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import TxOutput
from tests.paying import FEE, PRICE, Between, bring, keys_of, offer

PRODUCER = keys_of("the producer")


def treasury(shop, *, above=None, every=None, **more) -> Treasury:
    async def cadence():
        return Daily(above, every)

    given = {
        "database": shop.database,
        "keys": shop.keys,
        "producer": PRODUCER.identity,
        "miner": shop.arc,
        "chain": shop.headers,
        "clock": shop.clock,
        "cadence": cadence,
    }
    return Treasury(**{**given, **more})


async def earned(shop, buyer, amount=PRICE, **how):
    """A payment that was accepted; it is proven once there is a block and the till has looked."""
    till = shop.till()
    wanted = offer(buyer, price=amount)
    return await bring(till, await buyer.pay(till.charge(wanted), **how), wanted)


async def proven(shop):
    await shop.ledger.mine()
    shop.clock.now += 100
    await shop.till().settle()


async def all_payouts(shop, kind=PayoutKind.SETTLEMENT, recipient=PRODUCER.identity):
    async with shop.database.reading() as connection:
        done = await Payouts(connection).proven(recipient, kind, SimpleNamespace(height=0, txid=None), 100)
        return (*done, *await Payouts(connection).open(recipient, kind))


async def find(shop, txid):
    async with shop.database.reading() as connection:
        return await Payouts(connection).find(txid)


async def rounds(shop, counter, count=2):
    for _ in range(count):
        shop.clock.now += 30
        await counter.round()


async def returned(shop, buyer, amount=PRICE, reason="it came too late"):
    payment = await earned(shop, buyer, amount)
    async with shop.database.begin() as connection:
        await Payments(connection).move(payment, PaymentEvent.RETURN, reason=reason)
    return payment


async def credit(shop, buyer):
    async with shop.database.reading() as connection:
        return await Credits(connection).available(buyer.identity, int(shop.clock()))


async def test_proven_payments_go_to_the_producer_in_one_transaction_less_the_fee(shop):
    payments = [await earned(shop, shop.buyer(str(number)), 1000 + number) for number in range(3)]
    await proven(shop)
    await treasury(shop, above=3003).round()
    (payout,) = await all_payouts(shop)
    fee = fee_of(3, await shop.arc.policy())
    assert (payout.satoshis, payout.fee, payout.state) == (3003 - fee, fee, JournalState.SEEN)
    assert set(payout.inputs) == {payment.coin.outpoint for payment in payments}
    assert await shop.standing(payout.txid) == "seen"
    key = settlement_key(str(payout.inputs[0]), 0, shop.keys.identity)
    assert payout.transaction.outputs == (TxOutput(payout.satoshis, p2pkh(PRODUCER.public(key))),)


async def test_the_producer_can_spend_it(shop, buyer):
    await earned(shop, buyer)
    await proven(shop)
    await treasury(shop, above=1).round()
    (payout,) = await all_payouts(shop)
    key = settlement_key(str(payout.inputs[0]), 0, shop.keys.identity)
    money = Spendable(payout.transaction.outpoint(0), payout.transaction.outputs[0], key, Lock.P2PKH)
    spent = await shop.ledger.submit(
        signed([money], [TxOutput(Satoshis(payout.satoshis - FEE), p2pkh(PRODUCER.public(FUNDING_KEY)))], PRODUCER)
    )
    assert spent.standing.value == "seen"


async def test_it_is_proven_in_the_end_and_nobody_is_asked_any_more(shop, buyer):
    await earned(shop, buyer)
    await proven(shop)
    counter = treasury(shop, above=1)
    await counter.round()
    await shop.ledger.mine()
    await rounds(shop, counter)
    (payout,) = await all_payouts(shop)
    assert (payout.state, payout.height) == (JournalState.MINED, await shop.ledger.height())
    shop.clock.now += 1000
    assert await counter.round() == ()
    beef = payout.shown()
    verified = await shop.headers.verified(beef, payout.txid, now=int(shop.clock()))
    assert (list(beef.transactions), verified.transaction) == ([payout.txid], payout.transaction)


@pytest.mark.parametrize(
    ("rule", "waits", "settles"),
    [
        ({"above": 1001}, 0, False),
        ({"above": 1000}, 0, True),
        ({"every": 3600}, 3400, False),
        ({"every": 3600}, 3600, True),
        ({"above": 10**6, "every": 3600}, 3600, True),
        ({}, 10**6, False),
    ],
)
async def test_it_happens_when_the_rule_says(shop, buyer, rule, waits, settles):
    await earned(shop, buyer)
    await proven(shop)
    shop.clock.now += waits
    await treasury(shop, **rule).round()
    assert bool(await all_payouts(shop)) is settles


async def test_without_a_rule_it_happens_every_day():
    assert (Daily().above, Daily().every) == (None, 86_400)


async def test_what_no_block_proves_yet_is_not_settled(shop, buyer):
    await earned(shop, buyer)
    await treasury(shop, above=1).round()
    assert await all_payouts(shop) == ()


async def test_coins_that_cost_more_than_they_bring_stay(shop, buyer):
    await earned(shop, buyer, 14)
    large = await earned(shop, shop.buyer("another"), 5000)
    await proven(shop)

    async def policy():
        return FeeRate(100, 1000)

    arc = SimpleNamespace(submit=shop.arc.submit, status=shop.arc.status, policy=policy)
    await treasury(shop, above=1, miner=arc).round()
    (payout,) = await all_payouts(shop)
    assert payout.inputs == (large.coin.outpoint,)


async def test_two_processes_settle_a_coin_once(shop):
    for number in range(3):
        await earned(shop, shop.buyer(str(number)))
    await proven(shop)
    counters = [treasury(shop, above=1) for _ in range(4)]
    await asyncio.gather(*(counter.round() for counter in counters), return_exceptions=True)
    payouts = await all_payouts(shop)
    spent = [outpoint for payout in payouts for outpoint in payout.inputs]
    assert len(spent) == len(set(spent)) == 3


async def test_an_arc_that_is_away_delays_it_and_nothing_more(shop, buyer):
    await earned(shop, buyer)
    await proven(shop)

    async def away():
        raise UnreachableError("no route")

    with pytest.raises(UnreachableError):
        await treasury(shop, above=1, miner=Between(shop.arc, before={"policy": away})).round()
    await treasury(shop, above=1, miner=Between(shop.arc, before={"submit": away})).round()
    (payout,) = await all_payouts(shop)
    assert payout.state is JournalState.SENDING
    await rounds(shop, treasury(shop))
    assert (await find(shop, payout.txid)).state is JournalState.SEEN


async def test_a_block_that_goes_makes_it_wait_again(shop, buyer):
    await earned(shop, buyer)
    await proven(shop)
    counter = treasury(shop, above=1)
    await counter.round()
    (payout,) = await all_payouts(shop)
    await shop.ledger.mine()
    await rounds(shop, counter)
    await shop.ledger.reorg(1, drop=[payout.txid])
    await rounds(shop, counter)
    assert ((await find(shop, payout.txid)).state, await shop.standing(payout.txid)) == (JournalState.SEEN, "seen")
    await shop.ledger.mine()
    await rounds(shop, counter)
    assert (await find(shop, payout.txid)).state is JournalState.MINED


async def test_a_payment_that_is_lost_after_all_takes_its_settlement_with_it_and_the_others_go_on(shop, buyer):
    coin = await buyer.coin(PRICE + FEE)
    lost = await earned(shop, buyer, coin=coin)
    kept = await earned(shop, shop.buyer("another"))
    await proven(shop)
    counter = treasury(shop, above=1)
    await counter.round()
    (first,) = await all_payouts(shop)
    await shop.ledger.reorg(1, drop=[lost.txid], instead=[await shop.rival(buyer, coin)])
    await shop.ledger.mine()
    for _ in range(3):
        shop.clock.now += 4000
        await shop.till().settle()
        await rounds(shop, counter, 1)
    assert (await find(shop, first.txid)).state is JournalState.VOID
    (second,) = [payout for payout in await all_payouts(shop) if payout.state is not JournalState.VOID]
    assert second.inputs == (kept.coin.outpoint,)


async def test_a_payment_that_is_given_back_goes_to_its_buyer_by_its_very_coin(shop, buyer):
    payment = await returned(shop, buyer)
    counter = treasury(shop)
    await counter.round()
    assert await all_payouts(shop, PayoutKind.REFUND, buyer.identity) == ()
    await proven(shop)
    await counter.round()
    (payout,) = await all_payouts(shop, PayoutKind.REFUND, buyer.identity)
    assert (payout.inputs, payout.satoshis + payout.fee) == ((payment.coin.outpoint,), PRICE)
    key = refund_key(payment.txid, shop.keys.identity)
    assert payout.transaction.outputs[0].locking == p2pkh(buyer.keys.public(key))
    assert (await shop.standing(payout.txid), await credit(shop, buyer)) == ("seen", 0)
    await rounds(shop, counter, 3)
    assert len(await all_payouts(shop, PayoutKind.REFUND, buyer.identity)) == 1


async def test_it_is_not_settled(shop, buyer):
    await returned(shop, buyer)
    await proven(shop)
    await treasury(shop, above=1, every=1).round()
    assert await all_payouts(shop) == ()


async def test_what_mining_would_eat_is_credited(shop, buyer):
    await returned(shop, buyer, 5)
    await proven(shop)

    async def policy():
        return FeeRate(100, 1000)

    await treasury(shop, miner=SimpleNamespace(submit=shop.arc.submit, status=shop.arc.status, policy=policy)).round()
    assert (await all_payouts(shop, PayoutKind.REFUND, buyer.identity), await credit(shop, buyer)) == ((), 5)


async def test_what_was_settled_already_is_credited(shop, buyer):
    payment = await earned(shop, buyer)
    await proven(shop)
    counter = treasury(shop, above=1)
    await counter.round()
    async with shop.database.begin() as connection:
        await Payments(connection).move(payment, PaymentEvent.RETURN, reason="it cannot be served any more")
    await counter.round()
    assert (await all_payouts(shop, PayoutKind.REFUND, buyer.identity), await credit(shop, buyer)) == ((), PRICE)


async def test_nothing_is_owed_for_a_payment_that_is_lost_and_all_again_when_it_is_back(shop, buyer):
    coin = await buyer.coin(PRICE + FEE)
    payment = await earned(shop, buyer, coin=coin)
    async with shop.database.begin() as connection:
        await Payments(connection).move(payment, PaymentEvent.RETURN, reason="late")
    await proven(shop)
    counter = treasury(shop)
    await counter.round()
    (payout,) = await all_payouts(shop, PayoutKind.REFUND, buyer.identity)
    await shop.ledger.reorg(1, drop=[payment.txid], instead=[await shop.rival(buyer, coin)])
    for _ in range(3):
        shop.clock.now += 4000
        await shop.till().settle()
        await rounds(shop, counter, 1)
    async with shop.database.reading() as connection:
        assert (await Payments(connection).find(payment.txid)).state is PaymentState.RETRACTED
    assert (await find(shop, payout.txid)).state is JournalState.VOID


@pytest.mark.parametrize("kind", PayoutKind)
async def test_what_is_refused_is_made_anew_from_the_same_coins_when_mining_costs_more(shop, buyer, kind):
    refunds = kind is PayoutKind.REFUND
    payment = await (returned if refunds else earned)(shop, buyer, 5000)
    await proven(shop)
    rates = [FeeRate(1, 1000)]

    async def policy():
        return rates[-1]

    async def refused(report):
        return replace(report, status=TxStatus.REJECTED)

    stern = Between(shop.arc, after={"submit": refused, "status": refused})
    arc = SimpleNamespace(submit=stern.submit, status=stern.status, policy=policy)
    recipient = buyer.identity if refunds else PRODUCER.identity
    counter = treasury(shop, above=1, miner=arc)
    await rounds(shop, counter)
    (first,) = await all_payouts(shop, kind, recipient)
    assert (first.state, first.fee) == (JournalState.REFUSED, 1)
    await rounds(shop, counter)  # nothing is asked for but what it pays: the same bytes again
    assert await all_payouts(shop, kind, recipient) == (await find(shop, first.txid),)
    rates.append(FeeRate(100, 1000))
    await rounds(shop, counter, 1)
    (second,) = await all_payouts(shop, kind, recipient)
    assert (second.inputs, second.fee > first.fee) == ((payment.coin.outpoint,), True)
    assert (await find(shop, first.txid)).state is JournalState.VOID
    await rounds(shop, treasury(shop), 3)
    assert len([each for each in await all_payouts(shop, kind, recipient) if each.state is JournalState.SEEN]) == 1


class TestCredits:
    @pytest.fixture
    async def rich(self, shop, buyer):
        """A buyer with a credit of 5."""
        await returned(shop, buyer, 5)
        await proven(shop)

        async def policy():
            return FeeRate(100, 1000)

        await treasury(
            shop, miner=SimpleNamespace(submit=shop.arc.submit, status=shop.arc.status, policy=policy)
        ).round()
        return buyer

    async def test_a_quote_takes_its_part_until_it_expires(self, shop, rich):
        now = int(shop.clock())
        async with shop.database.begin() as connection:
            await Credits(connection).reserve("quote", rich.identity, Satoshis(3), expires=now + 60)
        assert await credit(shop, rich) == 2
        shop.clock.now += 60
        assert await credit(shop, rich) == 5

    async def test_a_template_keeps_it_for_longer(self, shop, rich):
        now = int(shop.clock())
        async with shop.database.begin() as connection:
            await Credits(connection).reserve("quote", rich.identity, Satoshis(3), expires=now + 60)
            await Credits(connection).extend("quote", now + 120)
        shop.clock.now += 60
        assert await credit(shop, rich) == 2

    async def test_a_payment_uses_it_for_good_as_long_as_it_is_not_lost(self, shop, rich):
        payment = await earned(shop, rich)
        async with shop.database.begin() as connection:
            await Credits(connection).reserve("quote", rich.identity, Satoshis(3), expires=int(shop.clock()) + 60)
            await Credits(connection).use("quote", payment.txid, now=int(shop.clock()))
            await Credits(connection).use("another quote", payment.txid, now=int(shop.clock()))
        shop.clock.now += 1000
        assert await credit(shop, rich) == 2
        async with shop.database.begin() as connection:
            await Payments(connection).move(payment, PaymentEvent.LOSE, reason="a rival")
        assert await credit(shop, rich) == 5

    async def test_two_payments_do_not_use_it(self, shop, rich):
        one, two = await earned(shop, rich), await earned(shop, rich)
        async with shop.database.begin() as connection:
            await Credits(connection).reserve("quote", rich.identity, Satoshis(3), expires=int(shop.clock()) + 60)
            await Credits(connection).use("quote", one.txid, now=int(shop.clock()))
        with pytest.raises(Exception, match="used by another payment"):
            async with shop.database.begin() as connection:
                await Credits(connection).use("quote", two.txid, now=int(shop.clock()))

    async def test_nobody_elses_is_seen(self, shop, rich):
        assert await credit(shop, shop.buyer("another")) == 0
