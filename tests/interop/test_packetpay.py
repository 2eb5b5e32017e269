"""@packetpay/js pays our server (BRC-41 over BRC-31). Its wallet is a server that is no more: ours stands in for that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from reconciler.model.amounts import Satoshis
from reconciler.model.payment import PaymentMethod, PaymentState
from reconciler.store.payments import Payments
from reconciler.store.replays import Replays
from reconciler.web.authrite import Authrite
from reconciler.web.failures import UnauthorizedError, unauthorized
from reconciler.web.packetpay import read_either
from reconciler.web.paywall import Paywall
from reconciler.web.server import Door, serving
from reconciler.web.sessions import Sessions
from reconciler.wire.script import p2pkh
from tests.paying import PRICE, Counter, Shop, keys_of

BUYER = keys_of("PacketPay")


@pytest.fixture
async def shop(tmp_path, database, request) -> AsyncIterator[Shop]:
    shop = Shop(tmp_path, database, request.node.name)
    async with shop.ledger, shop.http:
        yield shop


@pytest.fixture
def buy(run_peer, shop):
    async def buy(*paths, **more):
        counter = Counter(shop)
        counter.paywall = Paywall(shop.till(), read=read_either)
        routes = [Route("/goods/{name}", counter.sell, methods=["POST"])]
        app = Starlette(routes=routes, exception_handlers={UnauthorizedError: unauthorized})
        sessions = Sessions(
            keys=shop.keys, replays=Replays(shop.database), clock=shop.clock, randomness=shop.randomness
        )
        app = Authrite(app, keys=shop.keys, sessions=sessions, randomness=shop.randomness)
        coins = []
        for _ in range(2):
            funding = await shop.ledger.faucet(p2pkh(BUYER.identity), Satoshis(10_000))
            coins.append({"beef": funding.beef.hex(), "vout": funding.outpoint.vout})
        async with serving([Door(app=app, host="127.0.0.1", port=0)]) as (url,):
            question = {"origin": url, "key": BUYER.secret().hex(), "coins": coins, "paths": paths, **more}
            told = await asyncio.to_thread(run_peer, "packetpay.mjs", question)
        return told["answers"], told["made"]

    return buy


async def test_packetpay_pays_once_and_gets_the_goods(shop, buy):
    (answer,), made = await buy("/goods/btc")

    assert (answer["status"], json.loads(answer["body"])) == (200, {"goods": made[0]})
    assert answer["headers"]["x-bsv-payment-satoshis-paid"] == str(PRICE)
    async with shop.database.reading() as connection:
        (payment,) = await Payments(connection).earned()
    assert (payment.txid, payment.state) == (made[0], PaymentState.DELIVERED)
    assert (payment.tender.method, payment.buyer) == (PaymentMethod.BRC41, BUYER.identity)
    assert await shop.standing(made[0]) == "seen"


async def test_packetpay_that_pays_too_little_is_told_and_loses_nothing(shop, buy):
    (answer,), made = await buy("/goods/btc", short=1)

    assert (answer["status"], json.loads(answer["body"])["code"]) == (400, "ERR_PAYMENT_INSUFFICIENT")
    assert len(made) == 1
    assert await shop.standing(made[0]) is None
