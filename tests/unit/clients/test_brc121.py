from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.clients.brc121 import request_paid
from reconciler.clients.payment import PATIENCE, PriceError
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import identity_key
from reconciler.wire.brc121 import PAYING, Price, SimplePayment
from reconciler.wire.http import Reply
from reconciler.wire.payment import PaymentHeader

MADE = [
    PaymentHeader.parse(case["header"])
    for case in json.loads((Path(__file__).parents[2] / "vectors" / "payment.json").read_text())["payments"]
]
SELLER = identity_key("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
BUYER = identity_key("02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5")
PRICE = Price(Satoshis(100), SELLER)
URL = "https://seller.example/v1/datasets/btc/content"
ASKS = (402, PRICE.headers(), b"")
GIVES = (200, {}, b"the goods")
LATER = (503, {"retry-after": "7"}, b"")
LOST = UnreachableError("the connection broke")


class Wallet:
    """Pays with transactions that are made already, and counts."""

    def __init__(self) -> None:
        self.paid: list[Price] = []

    async def pay(self, price: Price) -> SimplePayment:
        self.paid.append(price)
        made = MADE[len(self.paid) - 1]
        return SimplePayment(
            sender=BUYER, nonce="AAAAAAAAAAA=", time=1719500000000, vout=0, beef=made.beef, subject=made.subject
        )


class Server:
    """Says what it is told to say, in that order, and keeps what it is sent. Satisfies Http."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.sent: list[dict[str, str]] = []

    async def request(self, method, url, *, headers=None, content=None, within=10.0, limit=0) -> Reply:
        self.sent.append(dict(headers or {}))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return Reply(url, *answer)

    def stream(self, url, *, headers=None, within=10.0):
        raise NotImplementedError


class Waiting:
    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def buy(server, wallet, *, cap=100, pause=None, **more):
    pause = pause or Waiting()
    return await request_paid(
        server, wallet, "GET", URL, cap=Satoshis(cap), pause=pause, headers={"accept": "*/*"}, **more
    )


async def test_a_price_is_paid_once_and_the_goods_are_given():
    server, wallet = Server(ASKS, GIVES), Wallet()
    reply = await buy(server, wallet)

    assert (reply.status, reply.body) == (200, b"the goods")
    assert wallet.paid == [PRICE]
    assert [set(PAYING) & sent.keys() for sent in server.sent] == [set(), set(PAYING)]
    assert all(sent["accept"] == "*/*" for sent in server.sent)


@pytest.mark.parametrize("first", [LATER, LOST])
async def test_a_payment_whose_fate_is_open_is_brought_again_and_not_made_again(first):
    server, wallet, pause = Server(ASKS, first, GIVES), Wallet(), Waiting()
    assert (await buy(server, wallet, pause=pause)).status == 200

    assert len(wallet.paid) == 1
    assert server.sent[1] == server.sent[2]
    assert pause.seconds == [7.0] if first is LATER else [1.0]


async def test_patience_ends_and_what_was_last_said_is_the_answer():
    server, wallet, pause = Server(ASKS, LATER), Wallet(), Waiting()
    assert (await buy(server, wallet, pause=pause)).status == 503
    assert PATIENCE <= sum(pause.seconds) < PATIENCE + 30


async def test_a_402_after_the_payment_is_an_error_and_nothing_more_is_paid():
    wallet = Wallet()
    with pytest.raises(RefusedError, match="second payment"):
        await buy(Server(ASKS, ASKS), wallet)
    assert len(wallet.paid) == 1


async def test_a_payment_that_was_made_before_is_brought_without_asking_for_the_price():
    wallet = Wallet()
    earlier = await wallet.pay(PRICE)
    server = Server(GIVES)
    assert (await buy(server, wallet, payment=earlier)).status == 200
    assert server.sent == [{"accept": "*/*", **earlier.headers()}]
    assert len(wallet.paid) == 1


async def test_more_than_is_allowed_is_not_paid():
    wallet = Wallet()
    with pytest.raises(PriceError, match="100 satoshis are asked for, and 99 are allowed"):
        await buy(Server(ASKS), wallet, cap=99)
    assert wallet.paid == []


async def test_a_402_without_its_headers_is_not_paid():
    wallet = Wallet()
    with pytest.raises(VerificationError):
        await buy(Server((402, {"x-bsv-sats": "5"}, b"")), wallet)
    assert wallet.paid == []


async def test_what_costs_nothing_is_just_answered():
    wallet = Wallet()
    assert (await buy(Server(GIVES), wallet)).body == b"the goods"
    assert wallet.paid == []
