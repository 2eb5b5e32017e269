"""The gate for requests that nobody signs, asked by our client, and by whoever would pay less, twice, or with another's money."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator

import pytest

from reconciler.clients.brc121 import request_paid
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.model.keys import FUNDING_KEY
from reconciler.model.payment import PaymentState
from reconciler.store.payments import Payments
from reconciler.wallet.signing import signed
from reconciler.web.server import Door, serving
from reconciler.wire.beef import Beef, BeefTx, merge
from reconciler.wire.brc121 import PAYING, Price
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import TxOutput
from tests.paying import FEE, PRICE, Away, Shop, Waiting
from tests.simple_paying import SIMPLE, SimpleBuyer, SimpleCounter

URL = f"{SIMPLE}/btc"


@pytest.fixture
async def shop(tmp_path, database, request) -> AsyncIterator[Shop]:
    shop = Shop(tmp_path, database, request.node.name)
    async with shop.ledger, shop.http:
        yield shop


@pytest.fixture
def counter(shop):
    return SimpleCounter(shop)


@pytest.fixture
def buyer(shop):
    return SimpleBuyer(shop)


@pytest.fixture
def price(shop):
    return Price(PRICE, shop.keys.identity)


async def buy(shop, buyer, **more):
    return await request_paid(shop.http, buyer, "GET", URL, cap=PRICE, pause=shop.waiting, **more)


async def bring(shop, payment, **headers):
    return await shop.http.request("GET", URL, headers={**payment.headers(), **headers})


async def states(shop):
    async with shop.database.reading() as connection:
        return [payment.state for payment in await Payments(connection).earned()]


def refused(reply, code):
    """A 402 that says the price again, why, and nothing else."""
    assert (reply.status, reply.body) == (402, b"")
    assert (reply.headers["x-bsv-sats"], reply.headers["x-bsv-payment-error"]) == (str(PRICE), code)
    return True


async def test_who_pays_gets_the_goods_once_they_are_paid(shop, counter, buyer):
    reply = await buy(shop, buyer)

    assert (reply.status, reply.json()) == (200, {"goods": buyer.made[0].subject})
    assert reply.headers["x-bsv-payment-satoshis-paid"] == str(PRICE)
    assert [(paid.buyer, paid.good) for paid in counter.served] == [(buyer.identity, "dataset/btc")]
    assert await states(shop) == [PaymentState.DELIVERED]
    assert await shop.standing(buyer.made[0].subject) == "seen"


async def test_a_402_says_price_and_server_to_browsers_too_and_nothing_else(shop, counter):
    reply = await shop.http.request("GET", URL, headers={"origin": "https://browser.example"})

    assert (reply.status, reply.body) == (402, b"")
    assert Price.parse(reply.headers) == Price(PRICE, shop.keys.identity)
    exposed = {name.strip() for name in reply.headers["access-control-expose-headers"].split(",")}
    assert {"x-bsv-sats", "x-bsv-server"} <= exposed


@pytest.mark.parametrize("name", PAYING)
async def test_four_of_the_five_headers_are_no_payment(shop, counter, buyer, price, name):
    headers = (await buyer.pay(price)).headers()
    del headers[name]
    assert refused(await shop.http.request("GET", URL, headers=headers), "ERR_MALFORMED_PAYMENT")


async def test_any_output_may_pay_if_it_is_named(shop, counter, buyer, price):
    assert (await bring(shop, await buyer.pay(price, vout=3))).status == 200
    payment = await buyer.pay(price, vout=3)
    assert refused(await bring(shop, payment, **{"x-bsv-vout": "2"}), "ERR_PAYMENT_INSUFFICIENT")
    assert refused(await bring(shop, payment, **{"x-bsv-vout": "9"}), "ERR_PAYMENT_INSUFFICIENT")


async def test_the_subject_pays_and_not_a_decoy_behind_it(shop, counter, buyer, price):
    """The reference looks at the last transaction of the BEEF: 1 satoshi bought what cost 1000."""
    little = await buyer.pay(price, satoshis=1)
    much = await buyer.pay(price)
    whole = merge([little.beef, much.beef])
    entries = [whole.transactions[txid] for txid in whole.transactions]
    decoyed = Beef.of(whole.bumps, [*entries, BeefTx(whole.transactions[much.subject].transaction)])
    atomic = b"\x01" * 4 + bytes.fromhex(little.subject)[::-1] + decoyed.to_bytes()
    reply = await bring(shop, little, **{"x-bsv-beef": base64.b64encode(atomic).decode()})

    assert refused(reply, "ERR_PAYMENT_INSUFFICIENT")
    assert counter.served == []
    assert await shop.standing(little.subject) is None


async def test_less_than_the_price_buys_nothing_and_is_not_sent(shop, counter, buyer, price):
    payment = await buyer.pay(price, satoshis=PRICE - 1)
    assert refused(await bring(shop, payment), "ERR_PAYMENT_INSUFFICIENT")
    assert await shop.standing(payment.subject) is None


async def test_more_than_the_price_is_told(shop, counter, buyer, price):
    reply = await bring(shop, await buyer.pay(price, satoshis=PRICE + 5))
    assert reply.headers["x-bsv-payment-satoshis-paid"] == str(PRICE + 5)


@pytest.mark.parametrize("late", [-31, 31, 3600])
async def test_a_payment_of_another_time_is_none(shop, counter, buyer, price, late):
    payment = await buyer.pay(price, late=late)
    assert refused(await bring(shop, payment), "ERR_PAYMENT_STALE")
    assert await shop.standing(payment.subject) is None


@pytest.mark.parametrize("changed", [{"x-bsv-nonce": "AAAAAAAAAAA="}, {"x-bsv-time": None}, {"x-bsv-sender": None}])
async def test_a_payment_to_another_key_is_none(shop, counter, buyer, price, changed):
    payment = await buyer.pay(price)
    other = {"x-bsv-time": str(payment.time + 1), "x-bsv-sender": SimpleBuyer(shop, "somebody").identity}
    headers = {name: value or other[name] for name, value in changed.items()}
    assert refused(await bring(shop, payment, **headers), "ERR_PAYMENT_INSUFFICIENT")


async def test_a_replay_buys_nothing_and_is_told_where_its_receipt_is(shop, counter, buyer):
    await buy(shop, buyer)
    reply = await bring(shop, buyer.made[0])

    assert refused(reply, "ERR_PAYMENT_REUSED")
    assert reply.headers["link"] == f'</v1/receipts?txid={buyer.made[0].subject}>; rel="status"'
    assert "link" in reply.headers["access-control-expose-headers"]
    assert len(counter.served) == 1


async def test_a_payment_for_one_good_does_not_buy_another(shop, counter, buyer):
    await buy(shop, buyer)
    reply = await shop.http.request("GET", f"{SIMPLE}/eth", headers=buyer.made[0].headers())
    assert refused(reply, "ERR_PAYMENT_REUSED")


async def test_two_payments_that_share_a_coin_buy_once(shop, counter, buyer, price):
    coin = await buyer.coin(PRICE + FEE)
    first, second = await buyer.pay(price, coin=coin), await buyer.pay(price, coin=coin)
    replies = await asyncio.gather(bring(shop, first), bring(shop, second))

    assert sorted(reply.status for reply in replies) == [200, 402]
    assert len(counter.served) == 1


async def test_what_was_paid_and_not_delivered_is_delivered_whatever_the_time(shop, counter, buyer):
    counter.keeps = True  # it dies before the answer is sent
    await buy(shop, buyer)
    counter.keeps = False
    shop.clock.now += 3600
    reply = await bring(shop, buyer.made[0])

    assert (reply.status, reply.json()) == (200, {"goods": buyer.made[0].subject})
    assert await states(shop) == [PaymentState.DELIVERED]


async def test_a_payment_that_the_network_does_not_show_yet_is_held_and_then_503_and_later_good(shop, buyer):
    SimpleCounter(shop, miner=Away(), hold_seconds=0.01)

    def back():
        SimpleCounter(shop)
        shop.clock.now += 3600

    pause = Waiting()
    pause.meanwhile = back
    reply = await request_paid(shop.http, buyer, "GET", URL, cap=PRICE, pause=pause)

    assert pause.seconds == [5.0]
    assert (reply.status, len(buyer.made)) == (200, 1)


class Blind:
    """Headers that are not to be had."""

    async def verified(self, beef, subject, *, now, limits=None):
        raise UnreachableError("no route")


async def test_a_server_that_cannot_check_says_500_and_nothing_is_lost(shop, buyer, price):
    SimpleCounter(shop, chain=Blind())
    payment = await buyer.pay(price)
    reply = await bring(shop, payment)
    assert (reply.status, reply.json()) == (500, {"error": "wallet unavailable"})

    SimpleCounter(shop)
    assert (await bring(shop, payment)).status == 200


async def test_our_client_does_not_pay_again_where_it_is_refused(shop, counter, buyer):
    counter.price = PRICE

    async def stingy(price):
        counter.price = PRICE + 1  # it rises between the 402 and the payment: there are no quotes here
        return await SimpleBuyer.pay(buyer, price)

    buyer.pay = stingy
    with pytest.raises(RefusedError, match="second payment"):
        await buy(shop, buyer)
    assert len(buyer.made) == 1
    assert await shop.standing(buyer.made[0].subject) is None


async def test_a_double_spend_of_what_was_paid_is_refused(shop, counter, buyer, price):
    coin = await buyer.coin(PRICE + FEE)
    rival = await shop.rival(buyer, coin)
    payment = await buyer.pay(price, coin=coin)
    await shop.arc.submit(buyer.shown(rival, coin[1], nonce="AAAA", time=payment.time).beef, rival.txid)
    await shop.ledger.mine()

    reply = await bring(shop, payment)
    assert reply.status in {402, 503}
    assert counter.served == []


async def test_unsigned_and_inflated_transactions_buy_nothing(shop, counter, buyer, price):
    payment = await buyer.pay(price)
    stolen = await SimpleBuyer(shop, "rich").coin(PRICE + FEE)
    unsigned = signed([stolen[0]], [payment.tender.output], buyer.keys)
    assert refused(
        await bring(shop, buyer.shown(unsigned, stolen[1], nonce=payment.nonce, time=payment.time)),
        "ERR_PAYMENT_FAILED",
    )
    money, beef = await buyer.coin(10)
    more = TxOutput(Satoshis(PRICE), p2pkh(buyer.keys.public(FUNDING_KEY)))
    inflated = signed([money], [payment.tender.output, more], buyer.keys)
    assert refused(
        await bring(shop, buyer.shown(inflated, beef, nonce=payment.nonce, time=payment.time)), "ERR_PAYMENT_FAILED"
    )
    assert counter.served == []


@pytest.mark.parametrize("size", [16_000, 70_000])
async def test_a_header_that_is_too_long_is_refused_over_tcp(shop, counter, buyer, price, size):
    headers = {**(await buyer.pay(price)).headers(), "x-bsv-beef": "A" * size}
    async with serving([Door(app=counter.app, host="127.0.0.1", port=0)]) as (url,):
        reply = await shop.http.request("GET", f"{url}/btc", headers=headers)
    assert reply.status in {400, 402}
    assert counter.served == []
