from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from reconciler.clients.payment import PATIENCE, PayingHttp, PaymentAuth, PriceError
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import identity_key
from reconciler.wire.http import Reply
from reconciler.wire.payment import PAYMENT_HEADER, Charge, PaymentHeader

HEADERS = [
    case["header"]
    for case in json.loads((Path(__file__).parents[2] / "vectors" / "payment.json").read_text())["payments"]
]
SELLER = identity_key("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
CHARGE = Charge(Satoshis(1000), "3q2+7w==", SELLER)
URL = "https://seller.example/goods"
ASKS = (402, {**CHARGE.headers(), "x-bsv-auth-identity-key": SELLER}, b"{}")
GIVES = (200, {"x-bsv-payment-satoshis-paid": "1000"}, b"the goods")
LATER = (503, {"retry-after": "7"}, b"{}")
NEVER = (400, {}, b'{"code":"ERR_PAYMENT_FAILED"}')
LOST = UnreachableError("the connection broke")


class Wallet:
    """Pays with payments that are made already, and counts."""

    def __init__(self) -> None:
        self.paid: list[Charge] = []

    async def pay(self, charge: Charge) -> PaymentHeader:
        self.paid.append(charge)
        return PaymentHeader.parse(HEADERS[len(self.paid) - 1])


class Server:
    """Says what it is told to say, in that order, and keeps what it is sent. Satisfies Http."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.sent: list[dict[str, str]] = []
        self.bodies: list[bytes | None] = []

    async def request(self, method, url, *, headers=None, content=None, within=10.0, limit=0) -> Reply:
        self.sent.append(dict(headers or {}))
        self.bodies.append(content)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return Reply(url, *answer)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        reply = await self.request(request.method, str(request.url), headers=request.headers, content=request.content)
        return httpx.Response(reply.status, headers=reply.headers, content=reply.body)

    @property
    def payments(self) -> list[str | None]:
        return [headers.get(PAYMENT_HEADER) for headers in self.sent]

    def stream(self, url, *, headers=None, within=10.0):
        raise NotImplementedError


class Waiting:
    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def by_our_client(server, wallet, *, cap=1000, payment=None, pause=None):
    http = PayingHttp(server, wallet, cap=Satoshis(cap), pause=pause or Waiting())
    reply = await http.request("POST", URL, content=b'{"n":1}', headers={"x-bsv-topic": "a"}, payment=payment)
    return reply.status, reply.body


async def by_httpx(server, wallet, *, cap=1000, payment=None, pause=None):
    auth = PaymentAuth(wallet, cap=Satoshis(cap), inner=httpx.Auth(), payment=payment, pause=pause or Waiting())
    async with httpx.AsyncClient(transport=httpx.MockTransport(server), auth=auth) as client:
        response = await client.post(URL, content=b'{"n":1}', headers={"x-bsv-topic": "a"})
    return response.status_code, response.content


both = pytest.mark.parametrize("ask", [by_our_client, by_httpx])


@both
async def test_what_costs_nothing_is_not_paid(ask):
    server, wallet = Server((200, {}, b"free")), Wallet()
    assert await ask(server, wallet) == (200, b"free")
    assert wallet.paid == []
    assert server.payments == [None]


@both
async def test_a_402_is_paid_once_and_the_request_repeated_with_the_payment(ask):
    server, wallet = Server(ASKS, GIVES), Wallet()
    assert await ask(server, wallet) == (200, b"the goods")
    assert wallet.paid == [CHARGE]
    assert server.payments == [None, HEADERS[0]]
    assert server.bodies == [b'{"n":1}'] * 2
    assert all(headers["x-bsv-topic"] == "a" for headers in server.sent)


@both
async def test_a_503_gets_the_same_payment_again_when_the_server_says(ask):
    server, wallet, waiting = Server(ASKS, LATER, LATER, GIVES), Wallet(), Waiting()
    assert await ask(server, wallet, pause=waiting) == (200, b"the goods")
    assert len(wallet.paid) == 1
    assert server.payments == [None, *[HEADERS[0]] * 3]
    assert waiting.seconds == [7.0, 7.0]


@both
async def test_a_503_for_ever_is_given_back_after_some_patience(ask):
    server, wallet, waiting = Server(ASKS, LATER), Wallet(), Waiting()
    assert await ask(server, wallet, pause=waiting) == (503, b"{}")
    assert len(wallet.paid) == 1
    assert set(server.payments[1:]) == {HEADERS[0]}
    assert PATIENCE <= sum(waiting.seconds) < PATIENCE + 30


@pytest.mark.parametrize("asked", ["999999999999", "-1", "soon", "\u0663", "9999"])
async def test_a_server_cannot_have_a_client_wait_for_long(asked):
    waiting = Waiting()
    server = Server(ASKS, (503, {"retry-after": asked}, b""), GIVES)
    assert await by_our_client(server, Wallet(), pause=waiting) == (200, b"the goods")
    assert 1 <= waiting.seconds[0] <= 30


@both
async def test_a_400_ends_it(ask):
    server, wallet = Server(ASKS, NEVER), Wallet()
    assert await ask(server, wallet) == (400, NEVER[2])
    assert len(wallet.paid) == 1
    assert len(server.sent) == 2


@both
async def test_a_second_402_is_never_paid(ask):
    server, wallet = Server(ASKS), Wallet()
    with pytest.raises(RefusedError, match="second payment"):
        await ask(server, wallet)
    assert len(wallet.paid) == 1


@both
async def test_above_the_cap_nothing_is_signed(ask):
    server, wallet = Server(ASKS), Wallet()
    with pytest.raises(PriceError, match="1000 satoshis are asked for, and 999 are allowed") as refused:
        await ask(server, wallet, cap=999)
    assert (refused.value.charge, refused.value.cap) == (CHARGE, 999)
    assert wallet.paid == []
    assert server.payments == [None]


@both
async def test_a_payment_that_was_made_earlier_is_brought_again_and_no_other_made(ask):
    server, wallet = Server(LATER, GIVES), Wallet()
    assert await ask(server, wallet, payment=PaymentHeader.parse(HEADERS[2]), cap=0) == (200, b"the goods")
    assert wallet.paid == []
    assert server.payments == [HEADERS[2], HEADERS[2]]


@both
async def test_a_payment_that_was_made_earlier_is_not_paid_a_second_time_either(ask):
    wallet = Wallet()
    with pytest.raises(RefusedError, match="second payment"):
        await ask(Server(ASKS), wallet, payment=PaymentHeader.parse(HEADERS[2]))
    assert wallet.paid == []


@both
@pytest.mark.parametrize("missing", ["x-bsv-auth-identity-key", "x-bsv-payment-version"])
async def test_a_402_that_cannot_be_paid_is_not(ask, missing):
    asks = (402, {name: text for name, text in ASKS[1].items() if name != missing}, b"")
    wallet = Wallet()
    with pytest.raises(VerificationError, match="server asks"):
        await ask(Server(asks), wallet)
    assert wallet.paid == []


@both
async def test_a_payer_that_does_not_pay_ends_it(ask):
    class Broke(Wallet):
        async def pay(self, charge):
            raise RefusedError("there are no coins")

    server = Server(ASKS, GIVES)
    with pytest.raises(RefusedError, match="no coins"):
        await ask(server, Broke())
    assert server.payments == [None]


async def test_a_lost_connection_gets_the_same_payment_again():
    server, wallet = Server(ASKS, LOST, LOST, GIVES), Wallet()
    assert await by_our_client(server, wallet) == (200, b"the goods")
    assert len(wallet.paid) == 1
    assert server.payments == [None, *[HEADERS[0]] * 3]


async def test_a_connection_that_stays_lost_is_told_after_some_patience():
    server, wallet = Server(ASKS, LOST), Wallet()
    with pytest.raises(UnreachableError):
        await by_our_client(server, wallet)
    assert len(wallet.paid) == 1


async def test_a_lost_connection_before_anything_was_paid_is_told_at_once():
    server = Server(LOST)
    with pytest.raises(UnreachableError):
        await by_our_client(server, Wallet())
    assert len(server.sent) == 1


async def test_a_body_that_can_be_sent_only_once_is_not_paid_for():
    async def chunks():
        yield b"data"

    server, wallet = Server(ASKS), Wallet()
    reply = await PayingHttp(server, wallet, cap=Satoshis(1000)).request("PUT", URL, content=chunks())
    assert reply.status == 402
    assert wallet.paid == []


async def test_each_step_of_httpx_is_authenticated_by_itself():
    class Signing(httpx.Auth):
        def __init__(self):
            self.signed = 0

        def auth_flow(self, request):
            yield httpx.Request("POST", "https://seller.example/.well-known/auth")
            self.signed += 1
            request.headers["x-bsv-auth-signature"] = str(self.signed)
            yield request

    server, wallet = Server((200, {}, b"shake"), ASKS, (200, {}, b"shake"), GIVES), Wallet()
    auth = PaymentAuth(wallet, cap=Satoshis(1000), inner=Signing())
    async with httpx.AsyncClient(transport=httpx.MockTransport(server), auth=auth) as client:
        assert (await client.get(URL)).content == b"the goods"
    assert [headers.get("x-bsv-auth-signature") for headers in server.sent] == [None, "1", None, "2"]
    assert server.payments == [None, None, None, HEADERS[0]]


@pytest.mark.parametrize("follow", [True, False])
async def test_a_redirect_is_neither_paid_nor_followed_with_a_payment(follow):
    moved = (302, {"location": "https://thief.example/goods"}, b"")
    wallet = Wallet()
    auth = PaymentAuth(wallet, cap=Satoshis(1000), inner=httpx.Auth())
    transport = httpx.MockTransport(Server(moved, ASKS))
    async with httpx.AsyncClient(transport=transport, auth=auth, follow_redirects=follow) as client:
        with pytest.raises(RefusedError, match="redirects"):
            await client.get(URL)
    assert wallet.paid == []


def test_a_client_that_is_not_async_is_told():
    auth = PaymentAuth(Wallet(), cap=Satoshis(1000), inner=httpx.Auth())
    with (
        httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200)), auth=auth) as client,
        pytest.raises(RuntimeError, match="AsyncClient"),
    ):
        client.get(URL)
