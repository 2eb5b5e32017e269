"""The reference's AuthFetch pays our server, and our client pays the reference's middleware on express: once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from reconciler.clients.auth import AuthenticatedHttp, BrcAuth
from reconciler.clients.http import HttpClient
from reconciler.clients.payment import PayingHttp, PaymentAuth, PriceError
from reconciler.model.amounts import Satoshis
from reconciler.model.payment import PaymentState
from reconciler.store.payments import Payments
from reconciler.web.server import Door, serving
from reconciler.wire.script import p2pkh
from tests.paying import PRICE, Away, Counter, Shop, keys_of

BUYER = keys_of("AuthFetch that pays")
GOODS = {"path": "/goods/btc"}


@pytest.fixture
async def shop(tmp_path, database, request) -> AsyncIterator[Shop]:
    shop = Shop(tmp_path, database, request.node.name)
    async with shop.ledger, shop.http:
        yield shop


@pytest.fixture
def buy(run_peer, shop):
    """AuthFetch takes the steps against a server of ours; its answers, and the payments that it made."""

    async def buy(app, *steps, **more):
        coins = []
        for _ in range(3):
            funding = await shop.ledger.faucet(p2pkh(BUYER.identity), Satoshis(10_000))
            coins.append({"beef": funding.beef.hex(), "vout": funding.outpoint.vout})
        async with serving([Door(app=app, host="127.0.0.1", port=0)]) as (url,):
            question = {"origin": url, "key": BUYER.secret().hex(), "coins": coins, "steps": steps, **more}
            told = await asyncio.to_thread(run_peer, "buyer.mjs", question)
        return told["answers"], told["made"]

    return buy


async def earned(shop):
    async with shop.database.reading() as connection:
        return {payment.txid: payment.state for payment in await Payments(connection).earned()}


async def test_authfetch_pays_once_and_gets_the_goods(shop, buy):
    (answer,), made = await buy(Counter(shop).app, GOODS)

    assert (answer["status"], json.loads(answer["body"])) == (200, {"goods": made[0]})
    assert answer["headers"]["x-bsv-payment-satoshis-paid"] == str(PRICE)
    assert len(made) == 1
    assert await earned(shop) == {made[0]: PaymentState.DELIVERED}
    assert await shop.standing(made[0]) == "seen"


async def test_authfetch_pays_for_each_of_two_goods_and_for_the_same_again(shop, buy):
    as_json = {"content-type": "application/json"}
    steps = [GOODS, {"path": "/goods/eth", "method": "POST", "headers": as_json, "body": '{"n":1}'}, GOODS]
    answers, made = await buy(Counter(shop).app, *steps)

    assert [json.loads(answer["body"])["goods"] for answer in answers] == made
    assert len(made) == 3


class Changing:
    """A server that is another one at each request, as a load balancer's workers are, and as prices move."""

    def __init__(self, *behind, prices=(PRICE,)) -> None:
        self._counters = list(behind)
        self._prices = list(prices)
        self.asked = 0

    async def __call__(self, scope, receive, send) -> None:
        counter = self._counters[min(self.asked, len(self._counters) - 1)]
        if scope["type"] == "http":
            counter.price = self._prices[min(self.asked, len(self._prices) - 1)]
            self.asked += 1
        await counter.app(scope, receive, send)


async def test_authfetch_pays_once_when_another_worker_answers_each_request(shop, buy):
    (answer,), made = await buy(Changing(Counter(shop), Counter(shop), Counter(shop)), GOODS)

    assert (answer["status"], json.loads(answer["body"])) == (200, {"goods": made[0]})
    assert len(made) == 1


async def test_authfetch_pays_the_price_that_it_was_quoted_when_that_rises_meanwhile(shop, buy):
    (answer,), made = await buy(Changing(Counter(shop), prices=[PRICE, PRICE, PRICE * 5]), GOODS)

    assert (answer["status"], answer["headers"]["x-bsv-payment-satoshis-paid"]) == (200, str(PRICE))
    assert len(made) == 1


async def test_authfetch_pays_once_where_its_payment_is_answered_503_and_it_has_forgotten_it(shop, buy):
    slow = Counter(shop, miner=Away(), hold_seconds=0.01)
    # handshake, 402, and the payment, which nobody can send; then ARC is back
    (pending, answer), made = await buy(Changing(slow, slow, slow, Counter(shop)), GOODS, GOODS)

    assert (pending["status"], json.loads(pending["body"])["code"]) == (503, "ERR_PAYMENT_PENDING")
    assert (answer["status"], json.loads(answer["body"])) == (200, {"goods": made[0]})
    assert len(made) == 1


class Losing:
    """A server that does its work, and whose first answer to a payment gets lost."""

    def __init__(self, counter) -> None:
        self._counter = counter
        self.lost = 0

    async def __call__(self, scope, receive, send) -> None:
        paying = scope["type"] == "http" and any(name == b"x-bsv-payment" for name, _ in scope["headers"])
        if not paying or self.lost:
            await self._counter.app(scope, receive, send)
            return
        self.lost += 1

        async def nowhere(message):
            pass

        await self._counter.app(scope, receive, nowhere)
        await send({"type": "http.response.start", "status": 502, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})


async def test_authfetch_pays_once_where_the_answer_to_its_payment_is_lost(shop, buy):
    losing = Losing(Counter(shop))
    (answer,), made = await buy(losing, GOODS)

    assert losing.lost == 1
    assert (answer["status"], json.loads(answer["body"])) == (200, {"goods": made[0]})
    assert await earned(shop) == {made[0]: PaymentState.DELIVERED}
    assert len(made) == 1


async def test_authfetch_that_pays_too_little_is_told_and_loses_nothing(shop, buy):
    (answer,), made = await buy(Counter(shop).app, GOODS, short=1)

    assert (answer["status"], json.loads(answer["body"])["code"]) == (400, "ERR_PAYMENT_INSUFFICIENT")
    assert len(made) == 1
    assert await shop.standing(made[0]) is None


@pytest.fixture
def reference(started_peer):
    """A server of the reference that sells."""
    return started_peer("seller.mjs", {"key": keys_of("express that sells").secret().hex(), "price": PRICE})


async def taken(http, server):
    return (await http.request("GET", f"{server['url']}/-/taken")).json()


async def test_our_client_pays_the_reference_once(shop, reference):
    buyer = shop.buyer()
    async with reference as server, HttpClient() as http:
        paying = PayingHttp(AuthenticatedHttp(http, buyer.keys), buyer, cap=PRICE)
        as_json = {"content-type": "application/json"}
        reply = await paying.request("POST", f"{server['url']}/goods", headers=as_json, content=b'{"n":1}')
        free = await paying.request("GET", f"{server['url']}/free")
        assert await taken(http, server) == [
            {"txid": buyer.paid[0].subject, "satoshis": PRICE, "sender": buyer.identity}
        ]

    assert (reply.status, reply.json()) == (200, {"buyer": buyer.identity, "paid": PRICE, "body": {"n": 1}})
    assert reply.headers["x-bsv-payment-satoshis-paid"] == str(PRICE)
    assert (free.status, free.json()["paid"]) == (200, 0)


async def test_plain_httpx_pays_the_reference_once(shop, reference):
    buyer = shop.buyer()
    async with reference as server, HttpClient() as http:
        auth = PaymentAuth(buyer, cap=PRICE, inner=BrcAuth(buyer.keys))
        async with httpx.AsyncClient(auth=auth, trust_env=False) as client:
            response = await client.get(f"{server['url']}/goods")
        assert [each["txid"] for each in await taken(http, server)] == [buyer.paid[0].subject]

    assert (response.status_code, response.json()["paid"]) == (200, PRICE)


async def test_our_client_pays_the_reference_nothing_above_its_cap(shop, reference):
    buyer = shop.buyer()
    async with reference as server, HttpClient() as http:
        paying = PayingHttp(AuthenticatedHttp(http, buyer.keys), buyer, cap=Satoshis(PRICE - 1))
        with pytest.raises(PriceError):
            await paying.request("GET", f"{server['url']}/goods")
        assert await taken(http, server) == []
    assert buyer.paid == []


async def test_a_payment_to_somebody_else_is_refused_by_the_reference_and_not_made_again(shop, reference):
    buyer, stranger = shop.buyer(), shop.buyer("stranger")
    async with reference as server, HttpClient() as http:
        paying = PayingHttp(AuthenticatedHttp(http, buyer.keys), stranger, cap=PRICE)
        reply = await paying.request("GET", f"{server['url']}/goods")
        assert await taken(http, server) == []
    assert (reply.status, reply.json()["code"]) == (400, "ERR_PAYMENT_FAILED")
    assert len(stranger.paid) == 1
