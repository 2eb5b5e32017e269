"""The reference's client of BRC-121 pays our gate, and our client pays the reference's middleware on express.

The reference's package is not published. Its sources are built where they are: OVERLAY_REFERENCE names the folder of a checkout of
bsv-blockchain/ts-stack.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator

import pytest

from reconciler.clients.brc121 import request_paid
from reconciler.clients.http import HttpClient
from reconciler.model.amounts import Satoshis
from reconciler.web.server import Door, serving
from reconciler.wire.script import p2pkh
from tests.paying import PRICE, Shop, keys_of
from tests.simple_paying import SimpleBuyer, SimpleCounter

SOURCES = os.environ.get("OVERLAY_REFERENCE")
BUYER = keys_of("a client of BRC-121")

pytestmark = pytest.mark.skipif(
    SOURCES is None,
    reason="the reference's sources of BRC-121 are not here: it is not published (set OVERLAY_REFERENCE)",
)


@pytest.fixture
async def shop(tmp_path, database, request) -> AsyncIterator[Shop]:
    shop = Shop(tmp_path, database, request.node.name)
    shop.clock.now = time.time()  # the reference reads its own clock
    async with shop.ledger, shop.http:
        yield shop


async def test_the_references_client_pays_our_gate_once(shop, started_peer):
    counter = SimpleCounter(shop)
    coins = []
    for _ in range(2):
        funding = await shop.ledger.faucet(p2pkh(BUYER.identity), Satoshis(10_000))
        coins.append({"beef": funding.beef.hex(), "vout": funding.outpoint.vout})
    async with serving([Door(app=counter.app, host="127.0.0.1", port=0)]) as (url,):
        question = {
            "sources": SOURCES,
            "origin": url,
            "key": BUYER.secret().hex(),
            "coins": coins,
            "paths": ["/btc", "/btc"],
        }
        async with started_peer("simple.mjs", question) as told:
            pass

    first, again = told["answers"]
    (made,) = told["made"]  # what it asks for again it has kept
    assert (first["status"], json.loads(first["body"])) == (200, {"goods": made})
    assert first["body"] == again["body"]
    assert [paid.buyer for paid in counter.served] == [BUYER.identity]
    assert await shop.standing(made) == "seen"


async def test_the_references_client_that_is_refused_does_not_pay_again(shop, started_peer):
    counter = SimpleCounter(shop)
    refused = counter.paywall

    class Rising:
        """A price that rises with each request."""

        async def admit(self, request, good, price, *more):
            counter.price = Satoshis(counter.price + 1)
            return await refused.admit(request, good, counter.price, *more)

    counter.paywall = Rising()
    funding = await shop.ledger.faucet(p2pkh(BUYER.identity), Satoshis(10_000))
    coins = [{"beef": funding.beef.hex(), "vout": funding.outpoint.vout}]
    async with serving([Door(app=counter.app, host="127.0.0.1", port=0)]) as (url,):
        question = {"sources": SOURCES, "origin": url, "key": BUYER.secret().hex(), "coins": coins, "paths": ["/btc"]}
        async with started_peer("simple.mjs", question) as told:
            pass

    assert [answer["status"] for answer in told["answers"]] == [402]
    assert len(told["made"]) == 1
    assert await shop.standing(told["made"][0]) is None


async def test_our_client_pays_the_reference_once(shop, started_peer):
    buyer = SimpleBuyer(shop)
    seller = {"sources": SOURCES, "key": keys_of("a seller by BRC-121").secret().hex(), "price": PRICE}
    async with started_peer("simple.mjs", seller) as server, HttpClient() as http:
        reply = await request_paid(http, buyer, "GET", f"{server['url']}/goods", cap=PRICE, pause=asyncio.sleep)
        taken = (await http.request("GET", f"{server['url']}/-/taken")).json()

    assert (reply.status, reply.json()) == (200, {"buyer": buyer.identity})
    assert taken == [{"txid": buyer.made[0].subject, "satoshis": PRICE, "sender": buyer.identity}]
