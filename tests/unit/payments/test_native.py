"""Native payments: templates, the transactions that are made from them, and what is late, on a real chain with real coins."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from fractions import Fraction

import pytest

from reconciler.model.errors import RefusedError
from reconciler.model.goods import Good
from reconciler.model.ids import RecordId
from reconciler.model.payment import Accept, PaymentMethod, PaymentState
from reconciler.payments.native import MAX_OPEN
from reconciler.payments.splits import Split
from reconciler.payments.till import PendingError
from reconciler.payments.verdict import Policy
from reconciler.store.buyer_credits import Credits
from reconciler.store.payments import Payments
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import TxOutput
from tests.paying import FEE, Away, Between
from tests.templates import GOOD, OTHER, PAYEE, PRICE, Counter, outputs, quote, sell, template, transaction


@pytest.fixture
def counter(shop):
    return Counter(shop)


@pytest.fixture
def sales(shop, counter):
    return sell(shop, counter)


async def stored(shop, txid):
    async with shop.database.reading() as connection:
        return await Payments(connection).find(txid)


async def test_a_template_pays_everybody_their_share_and_is_the_same_for_the_same_quote(shop, sales, buyer, counter):
    named = quote(shop, buyer)
    made = await sales.template(buyer.identity, GOOD, named, PRICE)
    assert [(each.payee, each.output.satoshis) for each in made.outputs] == [
        (PAYEE.identity, 3000),
        (shop.keys.identity, 54_000),
        (OTHER.identity, 3000),
    ]
    assert made.expires == int(shop.clock()) + 3600
    counter.selling_now = replace(counter.selling_now, splits=(Split(PAYEE.identity, Fraction(1)),))
    shop.clock.now += 1000
    assert await sales.template(buyer.identity, GOOD, named, PRICE) == made


async def test_at_the_same_time_there_is_one_too(shop, sales, buyer):
    named = quote(shop, buyer)
    made = await asyncio.gather(*(sales.template(buyer.identity, GOOD, named, PRICE) for _ in range(5)))
    assert len({each.id for each in made}) == 1


async def test_the_payment_is_accepted_and_everybody_can_spend_what_is_theirs(shop, sales, buyer):
    made = await template(shop, sales, buyer)
    beef, txid = await transaction(buyer, outputs(made))
    payment = await sales.pay(buyer.identity, made.id, beef, txid)
    assert (payment.state, payment.price, payment.satoshis) == (PaymentState.ACCEPTED, PRICE, PRICE)
    assert payment.tender.method is PaymentMethod.NATIVE
    assert (payment.coin.satoshis, payment.coin.key) == (54_000, made.key(1))
    for keys, index in ((PAYEE, 0), (shop.keys, 1), (OTHER, 2)):
        money = Spendable(payment.transaction.outpoint(index), outputs(made)[index], made.key(index), Lock.P2PKH)
        spent = signed([money], [TxOutput(money.output.satoshis - FEE, p2pkh(keys.identity))], keys)
        assert (await shop.ledger.submit(spent)).standing.value == "seen"


async def test_the_buyer_may_have_sent_it_himself(shop, sales, buyer):
    made = await template(shop, sales, buyer)
    beef, txid = await transaction(buyer, outputs(made))
    await shop.ledger.submit(beef.transactions[txid].transaction)
    await shop.ledger.mine()
    assert (await sales.pay(buyer.identity, made.id, beef, txid)).state is PaymentState.ACCEPTED


async def test_the_same_again_is_the_same_whenever_it_comes_and_whatever_is_sold_then(shop, sales, buyer, counter):
    made = await template(shop, sales, buyer)
    beef, txid = await transaction(buyer, outputs(made))
    first = await sales.pay(buyer.identity, made.id, beef, txid)
    shop.clock.now += 10**6
    counter.selling_now = None
    again = await sales.pay(buyer.identity, made.id, beef, txid)
    assert (again.txid, again.state) == (first.txid, first.state)
    together = await asyncio.gather(*(sales.pay(buyer.identity, made.id, beef, txid) for _ in range(5)))
    assert {each.txid for each in together} == {txid}


async def test_where_everything_goes_to_payees_it_is_accepted_too(shop, sales, buyer, counter):
    counter.selling_now = replace(counter.selling_now, splits=(Split(PAYEE.identity, Fraction(1)),))
    made = await template(shop, sales, buyer)
    beef, txid = await transaction(buyer, outputs(made))
    payment = await sales.pay(buyer.identity, made.id, beef, txid)
    assert (payment.state, payment.coin) == (PaymentState.ACCEPTED, None)
    assert await stored(shop, txid) == payment


WRONG = {
    "nothing": lambda wanted: [],
    "one is missing": lambda wanted: wanted[:2],
    "another order": lambda wanted: wanted[::-1],
    "something first": lambda wanted: [TxOutput(7, wanted[0].locking[:-1] + b"\x87"), *wanted],
    "one satoshi less": lambda wanted: [*wanted[:2], replace(wanted[2], satoshis=wanted[2].satoshis - 1)],
    "one satoshi more": lambda wanted: [replace(wanted[0], satoshis=wanted[0].satoshis + 1), *wanted[1:]],
    "another script": lambda wanted: [wanted[0], replace(wanted[1], locking=wanted[0].locking), wanted[2]],
    "one twice": lambda wanted: [*wanted, wanted[0]],
    "a key again": lambda wanted: [*wanted, replace(wanted[1], satoshis=1)],
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_transaction_with_other_outputs_is_not_the_payment(shop, sales, buyer, wrong):
    made = await template(shop, sales, buyer)
    beef, txid = await transaction(buyer, WRONG[wrong](outputs(made)), await buyer.coin(2 * PRICE))
    with pytest.raises(RefusedError) as refused:
        await sales.pay(buyer.identity, made.id, beef, txid)
    assert refused.value.code == "ERR_PAYMENT_INSUFFICIENT"
    assert (await stored(shop, txid), await shop.standing(txid)) == (None, None)


async def test_nobody_else_can_use_it(shop, sales, buyer):
    made, other = await template(shop, sales, buyer), shop.buyer("other")
    beef, txid = await transaction(other, outputs(made))
    with pytest.raises(RefusedError) as refused:
        await sales.pay(other.identity, made.id, beef, txid)
    assert (refused.value.code, await stored(shop, txid)) == ("404", None)


async def test_one_transaction_pays_one_template(shop, sales, buyer):
    one, two = await template(shop, sales, buyer), await template(shop, sales, buyer)
    assert one.id != two.id
    beef, txid = await transaction(buyer, outputs(one))
    await sales.pay(buyer.identity, one.id, beef, txid)
    with pytest.raises(RefusedError) as refused:
        await sales.pay(buyer.identity, two.id, beef, txid)
    assert refused.value.code == "ERR_PAYMENT_REUSED"


@pytest.mark.parametrize("wrong", ["price", "good", "buyer", "expired", "prefix"])
async def test_a_quote_that_does_not_hold_makes_no_template(shop, sales, buyer, wrong):
    named, price, good, who = quote(shop, buyer), PRICE, GOOD, buyer
    match wrong:
        case "price":
            price = 1
        case "good":
            good = Good(RecordId.parse("dataset/eth"))
        case "buyer":
            who = shop.buyer("other")
        case "expired":
            shop.clock.now += 600
        case "prefix":
            named = "c3VmZml4"
    with pytest.raises(RefusedError) as refused:
        await sales.template(who.identity, good, named, price)
    assert refused.value.code == "ERR_INVALID_DERIVATION_PREFIX"


async def test_what_is_not_sold_has_no_template(shop, sales, buyer, counter):
    counter.selling_now = None
    with pytest.raises(RefusedError, match="not sold"):
        await template(shop, sales, buyer)


async def test_templates_of_one_buyer_are_bounded(shop, sales, buyer):
    for _ in range(MAX_OPEN):
        await template(shop, sales, buyer)
    with pytest.raises(RefusedError) as refused:
        await template(shop, sales, buyer)
    assert refused.value.code == "429"
    await template(shop, sales, shop.buyer("other"))
    shop.clock.now += 3600
    await template(shop, sales, buyer)


async def test_a_large_payment_waits_for_its_block_by_the_policy_of_its_template(shop, counter, buyer):
    sales = sell(shop, counter, hold_seconds=0)
    counter.selling_now = replace(counter.selling_now, policy=Policy(Accept.SEEN, PRICE - 1))
    made = await template(shop, sales, buyer)
    counter.selling_now = replace(counter.selling_now, policy=Policy())
    beef, txid = await transaction(buyer, outputs(made))
    with pytest.raises(PendingError):
        await sales.pay(buyer.identity, made.id, beef, txid)
    await shop.till().settle()
    assert (await stored(shop, txid)).state is PaymentState.PENDING
    await shop.ledger.mine()
    later = sell(shop, counter)
    assert (await later.pay(buyer.identity, made.id, beef, txid)).state is PaymentState.ACCEPTED


async def test_an_arc_that_is_away_is_not_the_end(shop, counter, buyer):
    away = sell(shop, counter, miner=Away(), hold_seconds=0)
    made = await template(shop, away, buyer)
    beef, txid = await transaction(buyer, outputs(made))
    with pytest.raises(PendingError):
        await away.pay(buyer.identity, made.id, beef, txid)
    assert (await sell(shop, counter).pay(buyer.identity, made.id, beef, txid)).state is PaymentState.ACCEPTED


async def test_what_is_late_buys_the_good_where_it_costs_no_more(shop, sales, buyer, counter):
    made = await template(shop, sales, buyer)
    beef, txid = await transaction(buyer, outputs(made))
    shop.clock.now += 3600
    counter.selling_now = replace(counter.selling_now, price=PRICE - 1)
    assert (await sales.pay(buyer.identity, made.id, beef, txid)).state is PaymentState.ACCEPTED


@pytest.mark.parametrize(("price", "reason"), [(PRICE + 1, "60001 satoshis now"), (None, "not sold")])
async def test_what_is_late_and_buys_nothing_is_given_back(shop, buyer, counter, price, reason):
    sales = sell(shop, counter)
    made = await template(shop, sales, buyer)
    beef, txid = await transaction(buyer, outputs(made))
    shop.clock.now += 3600
    counter.selling_now = None if price is None else replace(counter.selling_now, price=price)
    payment = await sales.pay(buyer.identity, made.id, beef, txid)
    assert payment.state is PaymentState.RETURNED
    assert reason in payment.reason
    again = await sales.pay(buyer.identity, made.id, beef, txid)
    assert again.state is PaymentState.RETURNED
    await shop.till().settle()
    assert await shop.standing(txid) == "seen"  # it cannot be used for anything else meanwhile


async def test_the_last_second_counts(shop, sales, buyer, counter):
    made = await template(shop, sales, buyer)
    beef, txid = await transaction(buyer, outputs(made))
    shop.clock.now += 3599
    counter.selling_now = None
    assert (await sales.pay(buyer.identity, made.id, beef, txid)).state is PaymentState.ACCEPTED


async def test_a_credit_that_its_quote_took_is_used_once(shop, sales, buyer):
    first = await template(shop, sales, buyer)
    beef, txid = await transaction(buyer, outputs(first))
    await sales.pay(buyer.identity, first.id, beef, txid)
    await shop.till().give_back(txid, "it cannot be served")
    named = quote(shop, buyer)
    async with shop.database.begin() as connection:
        await Credits(connection).give(buyer.identity, txid, 5, reason="", at=int(shop.clock()))
        await Credits(connection).reserve(named, buyer.identity, 5, expires=int(shop.clock()) + 600)
    made = await sales.template(buyer.identity, GOOD, named, PRICE)
    beef, txid = await transaction(buyer, outputs(made))
    await sales.pay(buyer.identity, made.id, beef, txid)
    again, second = await transaction(buyer, outputs(made))
    with pytest.raises(RefusedError, match="used by another payment"):
        await sales.pay(buyer.identity, made.id, again, second)
    assert await stored(shop, second) is None


async def test_two_payments_by_one_template_are_two_purchases(shop, sales, buyer):
    made = await template(shop, sales, buyer)
    for _ in range(2):
        beef, txid = await transaction(buyer, outputs(made))
        assert (await sales.pay(buyer.identity, made.id, beef, txid)).state is PaymentState.ACCEPTED


async def test_the_till_is_told_that_a_payment_goes_back(shop, sales, buyer):
    made = await template(shop, sales, buyer)
    beef, txid = await transaction(buyer, outputs(made))
    await sales.pay(buyer.identity, made.id, beef, txid)
    till = shop.till()
    given = await till.give_back(txid, "its content is lost")
    assert (given.state, await till.give_back(txid, "again")) == (PaymentState.RETURNED, given)
    assert (await sales.pay(buyer.identity, made.id, beef, txid)).state is PaymentState.RETURNED


async def test_what_a_slow_arc_shows_in_the_end_was_held_and_not_paid_again(shop, counter, buyer):
    asked = []

    async def later(report):
        asked.append(report)
        if len(asked) < 3:
            return replace(report, status=type(report.status).RECEIVED)
        return report

    sales = sell(shop, counter, miner=Between(shop.arc, after={"submit": later}))
    made = await template(shop, sales, buyer)
    beef, txid = await transaction(buyer, outputs(made))
    assert (await sales.pay(buyer.identity, made.id, beef, txid)).state is PaymentState.ACCEPTED
    assert len(asked) == 3
