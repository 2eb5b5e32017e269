"""The gate behind BRC-104, asked by our client, and by requests that forget what they paid."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from reconciler.clients.auth import AuthenticatedHttp, BrcAuth
from reconciler.clients.http import HttpClient
from reconciler.clients.payment import PayingHttp, PaymentAuth
from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.model.payment import PaymentState
from reconciler.store.payments import Payments
from reconciler.web.server import Door, serving
from reconciler.wire.payment import PAYMENT_HEADER, Charge
from tests.paying import ORIGIN, PRICE, Away, Buyer, Counter, Shop

URL = f"{ORIGIN}/goods/btc"


@pytest.fixture
async def shop(tmp_path, database, request) -> AsyncIterator[Shop]:
    shop = Shop(tmp_path, database, request.node.name)
    async with shop.ledger, shop.http:
        yield shop


@pytest.fixture
def buyer(shop) -> Buyer:
    return shop.buyer()


def asking(shop, buyer) -> AuthenticatedHttp:
    return AuthenticatedHttp(shop.http, buyer.keys, randomness=shop.randomness)


async def states(shop) -> list[PaymentState]:
    async with shop.database.reading() as connection:
        return [payment.state for payment in await Payments(connection).earned()]


async def test_our_client_pays_once_and_gets_the_goods(shop, buyer):
    counter = Counter(shop)
    reply = await PayingHttp(asking(shop, buyer), buyer, cap=PRICE).request("GET", URL)
    assert (reply.status, reply.json()) == (200, {"goods": buyer.paid[0].subject})
    assert reply.headers["x-bsv-payment-satoshis-paid"] == str(PRICE)
    assert len(buyer.paid) == len(counter.served) == 1
    assert await states(shop) == [PaymentState.DELIVERED]


async def test_httpx_with_our_flows_pays_once_and_gets_the_goods(shop, buyer):
    counter = Counter(shop)
    auth = PaymentAuth(buyer, cap=PRICE, inner=BrcAuth(buyer.keys, randomness=shop.randomness))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=counter.app), auth=auth) as client:
        response = await client.post(URL, json={"n": 1})
    assert (response.status_code, response.json()) == (200, {"goods": buyer.paid[0].subject})
    assert len(buyer.paid) == 1


async def test_a_402_is_what_the_reference_sends(shop, buyer):
    Counter(shop)
    reply = await asking(shop, buyer).request("GET", URL)
    assert reply.status == 402
    assert reply.headers["x-bsv-payment-version"] == "1.0"
    assert reply.headers["x-bsv-payment-satoshis-required"] == "1000"
    assert reply.headers["x-bsv-payment-derivation-prefix"]
    assert reply.headers["x-bsv-auth-identity-key"] == shop.keys.identity
    assert reply.json() == {
        "status": "error",
        "code": "ERR_PAYMENT_REQUIRED",
        "satoshisRequired": 1000,
        "description": "A BSV payment is required to complete this request. Provide the X-BSV-Payment header.",
    }


async def test_nobody_is_told_a_price_without_saying_who_they_are(shop):
    Counter(shop)
    reply = await shop.http.request("GET", URL)
    assert (reply.status, reply.json()["code"]) == (401, "UNAUTHORIZED")


async def test_what_costs_nothing_is_given_without_a_payment(shop, buyer):
    counter = Counter(shop)
    counter.price = 0
    reply = await asking(shop, buyer).request("GET", URL)
    assert (reply.status, reply.json()) == (200, {"goods": None})
    assert "x-bsv-payment-satoshis-paid" not in reply.headers


@pytest.mark.parametrize("price", [PRICE, PRICE * 3, 0])
async def test_a_buyer_who_forgets_a_payment_is_let_in_by_it_and_not_asked_again(shop, buyer, price):
    counter = Counter(shop)
    counter.keeps = True
    http = asking(shop, buyer)
    await PayingHttp(http, buyer, cap=PRICE).request("GET", URL)
    counter.price = price
    counter.keeps = False
    reply = await http.request("GET", URL)
    assert reply.json() == {"goods": buyer.paid[0].subject}
    counter.price = PRICE
    assert (await http.request("GET", URL)).status == 402


async def test_a_payment_that_nobody_could_send_is_answered_503_and_then_taken_without_being_brought_again(shop, buyer):
    arc = shop.arc
    down = Away()
    Counter(shop, miner=down, hold_seconds=0.01)
    http = asking(shop, buyer)
    charged = await http.request("GET", URL)
    header = await buyer.pay(_charge(charged, shop))
    brought = await http.request("GET", URL, headers={PAYMENT_HEADER: header.to_text()})
    assert (brought.status, brought.json()["code"]) == (503, "ERR_PAYMENT_PENDING")
    assert int(brought.headers["retry-after"]) > 0
    forgotten = await http.request("GET", URL)
    assert forgotten.status == 503

    Counter(shop, miner=arc)
    assert (await http.request("GET", URL)).json() == {"goods": header.subject}


async def test_a_pending_payment_that_turns_out_bad_is_followed_by_a_402_where_no_payment_is_brought(shop, buyer):
    coin = await buyer.coin(5000)
    http = asking(shop, buyer)
    Counter(shop, miner=Away(), hold_seconds=0.01)
    header = await buyer.pay(_charge(await http.request("GET", URL), shop), coin=coin)
    assert (await http.request("GET", URL, headers={PAYMENT_HEADER: header.to_text()})).status == 503
    await shop.ledger.submit(await shop.rival(buyer, coin))
    await shop.ledger.mine()

    Counter(shop)
    assert (await http.request("GET", URL)).status == 402
    brought = await http.request("GET", URL, headers={PAYMENT_HEADER: header.to_text()})
    assert (brought.status, brought.json()["code"]) == (400, "ERR_PAYMENT_FAILED")


@pytest.mark.parametrize("text", ["", "{}", "null", "x" * 60_000, json.dumps({"derivationPrefix": "AAAA"})])
async def test_a_request_with_a_payment_that_is_none_is_answered_400(shop, buyer, text):
    Counter(shop)
    reply = await asking(shop, buyer).request("GET", URL, headers={PAYMENT_HEADER: text})
    assert (reply.status, reply.json()["code"]) == (400, "ERR_MALFORMED_PAYMENT")


def _charge(reply, shop):
    return Charge.parse(reply.headers, shop.keys.identity)


async def test_a_signed_request_with_a_payment_that_somebody_sends_again_buys_nothing(shop, buyer):
    counter = Counter(shop)
    heard = []

    class Listening:
        async def request(self, method, url, **how):
            heard.append((method, url, how))
            return await shop.http.request(method, url, **how)

    http = AuthenticatedHttp(Listening(), buyer.keys, randomness=shop.randomness)
    await PayingHttp(http, buyer, cap=PRICE).request("GET", URL)
    method, url, how = heard[-1]
    assert PAYMENT_HEADER in how["headers"]
    again = await shop.http.request(method, url, **how)
    assert (again.status, len(counter.served)) == (401, 1)


async def test_a_header_that_is_too_long_for_a_payment_is_answered_or_not_read_over_tcp(shop, buyer):
    counter = Counter(shop)
    async with serving([Door(app=counter.app, host="127.0.0.1", port=0)]) as (origin,), HttpClient() as http:
        signing = AuthenticatedHttp(http, buyer.keys)
        told = await signing.request("GET", f"{origin}/goods/btc", headers={PAYMENT_HEADER: "x" * 50_000})
        assert (told.status, told.json()["code"]) == (400, "ERR_MALFORMED_PAYMENT")
        with pytest.raises((RefusedError, UnreachableError)):
            await signing.request("GET", f"{origin}/goods/btc", headers={PAYMENT_HEADER: "x" * 500_000})
        assert (await signing.request("GET", f"{origin}/goods/btc")).status == 402
    assert counter.served == []
