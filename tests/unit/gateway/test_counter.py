"""The counter over HTTP: quotes, access and memberships, by real payments on a toy chain."""

from __future__ import annotations

import base64
import json
import re
from contextlib import asynccontextmanager
from typing import Any

import pytest

from reconciler.clients.auth import AuthenticatedHttp
from reconciler.clients.brc121 import content_of, request_paid
from reconciler.clients.payment import PayingHttp
from reconciler.gateway.app import build_app
from reconciler.gateway.delivery import Delivery
from reconciler.gateway.openapi import SELLING
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import StateError, UnreachableError, VerificationError
from reconciler.model.ids import IdentityKey
from reconciler.model.keys import delivery_key
from reconciler.model.payment import PaymentState
from reconciler.payments.books import Note
from reconciler.store.payments import Payments
from reconciler.store.usage import Usage, Used, Window
from reconciler.web.lifespans import running
from reconciler.wire.brc121 import Price
from reconciler.wire.payment import Charge
from reconciler.wire.receipt import Receipt
from tests.delivering import DATA, SHA256, SIZE, Contents
from tests.describing import check, described, hammer, known, routed
from tests.paying import ORIGIN, Shop
from tests.simple_paying import SimpleBuyer

ACCESS = "/v1/datasets/a/access"


class Customer:
    """Somebody with coins at the counter."""

    def __init__(self, shop: Shop, name: str) -> None:
        self.wallet = shop.buyer(name)
        self.signing = AuthenticatedHttp(shop.http, self.wallet.keys)
        self.paying = PayingHttp(self.signing, self.wallet, cap=Satoshis(10**9), pause=shop.waiting)

    @property
    def identity(self):
        return self.wallet.identity

    async def ask(self, path: str, body: Any = None, *, method: str = "POST", payment=None):
        """The answer, which is one that the OpenAPI document describes."""
        headers = {"content-type": "application/json"}
        if payment is not None:
            headers["x-bsv-payment"] = payment.to_text()
        content = None if method == "GET" else json.dumps(body or {}, separators=(",", ":")).encode()
        reply = await self.signing.request(method, ORIGIN + path, headers=headers, content=content)
        route = re.sub(r"(datasets|tiers)/.*/", r"\1/{name}/", path.replace("%2F", "/").partition("?")[0])
        check(SELLING, method.lower(), route, reply)
        return reply

    async def quote(self, name: str = "a", kind: str = "dataset", **more: Any):
        reply = await self.ask("/v1/quotes", {"kind": kind, "name": name, **more})
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    async def buy(self, path: str = ACCESS, body: Any = None):
        content = json.dumps(body or {}, separators=(",", ":")).encode()
        headers = {"content-type": "application/json"}
        reply = await self.paying.request("POST", ORIGIN + path, headers=headers, content=content)
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    async def pay(self, quote):
        return await self.wallet.pay(Charge(Satoshis(quote["satoshis"]), quote["id"], quote["recipient"]))


@asynccontextmanager
async def counter(shop: Shop, publisher, events=None):
    """The gateway of one process."""
    app = build_app(
        database=shop.database,
        identity=publisher.identity,
        host=publisher.host,
        keys=shop.keys,
        contents=Contents(),
        clock=shop.clock,
        randomness=shop.randomness,
        till=shop.till(),
        audit=(events if events is not None else []).append,
        turns=nothing,
    )
    shop.http.mount(ORIGIN, app)
    async with running(app):
        yield app


async def nothing(_):
    """In the background."""


@pytest.fixture
async def shop(tmp_path, database, request):
    shop = Shop(tmp_path, database, request.node.name)
    async with shop.ledger, shop.http:
        yield shop


@pytest.fixture
def events():
    return []


@pytest.fixture
async def open_counter(shop, publisher, host, events):
    publisher.host = host.app()
    publisher.gateway_key = shop.keys.identity
    async with counter(shop, publisher, events) as app:
        yield app


@pytest.fixture
def customer(shop, open_counter):
    return Customer(shop, "customer")


@pytest.fixture
def publish(publisher, make):
    """One priced and one free dataset, by a rule and a policy."""

    async def published(*, price: int = 1000, rule=None, policy=None, generation: int = 1, **more: Any):
        settings = {}
        if rule is not None:
            settings["paymentrule/standard"] = rule
        if policy is not None:
            settings["consumerpolicy/consumers"] = policy
        records = [make("dataset/a", price=price, **more), make("dataset/free"), make("stream/ticks", price=5)]
        return await publisher.publish(
            records, generation=generation, settings=settings, defaults={"paymentRule": "standard"} if rule else {}
        )

    return published


def problem(reply):
    assert reply.headers["content-type"] == "application/problem+json", reply.body
    return json.loads(reply.body)


def test_every_route_is_described_and_nothing_else(open_counter):
    shown = {each for each in described(SELLING) if each[1] != "/metrics"}
    assert set(routed(open_counter)) == shown


async def test_a_quote_says_what_it_costs_this_buyer_until_when_and_how_it_is_paid(customer, publish, shop):
    root = await publish(rule={"http": {"window": "10m"}})
    quote = await customer.quote(quantity=2)
    assert len(base64.b64decode(quote.pop("id"))) == 44
    assert quote == {
        "kind": "dataset",
        "name": "a",
        "quantity": 2,
        "documentHash": quote["documentHash"],
        "satoshis": 2000,
        "listSatoshis": 2000,
        "tier": "none",
        "discount": "0%",
        "credit": 0,
        "expires": int(shop.clock()) + 600,
        "recipient": shop.keys.identity,
        "methods": [{"method": "brc105", "url": ACCESS}],
    }
    once = await customer.quote()
    assert once["methods"] == [
        {"method": "brc105", "url": ACCESS},
        {"method": "brc121", "url": "/v1/datasets/a/content"},
    ]
    assert root.generation == 1


async def test_what_was_quoted_is_paid_without_a_402_and_gives_receipt_key_and_places(customer, publish, shop, events):
    await publish()
    payment = await customer.pay(await customer.quote())
    reply = await customer.ask(ACCESS, payment=payment)
    assert reply.status == 200
    assert reply.headers["x-bsv-payment-satoshis-paid"] == "1000"
    given = json.loads(reply.body)
    receipt = Receipt.parse(given["receipt"])
    receipt.check()
    assert (receipt.gateway, receipt.buyer, str(receipt.good)) == (shop.keys.identity, customer.identity, "dataset/a")
    assert (receipt.allowance.downloads, receipt.allowance.bytes) == (10, 10 << 20)
    assert receipt.allowance.until == receipt.issued + 30 * 86_400
    key = customer.wallet.keys.decrypt(delivery_key(receipt.id, shop.keys.identity), base64.b64decode(given["key"]))
    assert key == Contents().key
    assert given["size"] == SIZE
    assert given["expires"] == int(shop.clock()) + 3600
    assert (await shop.http.request("GET", given["urls"][0])).status == 200
    assert [(event.what.value, event.outcome.value) for event in events] == [
        ("quote", "quoted"),
        ("access", "sold"),
        ("content", "served"),
    ]
    assert (events[1].who, events[1].txid, events[1].receipt) == (customer.identity, payment.subject, receipt.id)


async def test_nobody_is_asked_to_pay_for_what_this_gateway_cannot_open(customer, publish, monkeypatch):
    async def sealed(_, document):
        raise StateError("the seed is not here")

    monkeypatch.setattr(Contents, "known", sealed)
    await publish()
    with pytest.raises(StateError, match="the seed"):  # a 500 over a socket, and no 402
        await customer.signing.request("POST", ORIGIN + ACCESS, headers={"content-type": "application/json"})


async def test_small_content_is_bought_by_asking_for_it_signed(customer, publish, events):
    await publish()
    url = "/v1/datasets/a/content"
    asked = await customer.ask(url, method="GET")
    assert asked.status == 402
    assert asked.headers["x-bsv-payment-satoshis-required"] == "1000"
    assert SHA256 not in str(asked.headers) + asked.body.decode()
    charge = Charge.parse(asked.headers, asked.headers["x-bsv-auth-identity-key"])
    payment = await customer.wallet.pay(charge)
    given = await customer.ask(url, method="GET", payment=payment)
    assert (given.status, given.body) == (200, DATA)
    assert given.headers["x-bsv-payment-satoshis-paid"] == "1000"
    for again in (payment, None):  # it is paid for, and so is the rest of what the receipt allows
        assert (await customer.ask(url, method="GET", payment=again)).body == DATA
    (receipt,) = (await customer.ask(f"/v1/receipts?txid={payment.subject}", method="GET")).json()["receipts"]
    assert receipt["used"] == {"downloads": 3, "bytes": 3 * SIZE}
    assert (await customer.ask(ACCESS)).json()["receipt"] == receipt["receipt"]
    assert [(event.what.value, event.outcome.value) for event in events][:3] == [
        ("access", "charged"),
        ("content", "served"),
        ("access", "sold"),
    ]


async def test_a_payment_that_is_none_gives_nothing(customer, shop, publish):
    await publish()
    url = "/v1/datasets/a/content"
    forged = await customer.wallet.pay(Charge(Satoshis(1000), "bm90IGFuIG9mZmVy", shop.keys.identity))
    reply = await customer.ask(url, method="GET", payment=forged)
    assert (reply.status, reply.json()["code"]) == (400, "ERR_INVALID_DERIVATION_PREFIX")


async def test_who_holds_a_receipt_is_not_charged_again(customer, publish, events):
    await publish()
    first, second = await customer.buy(), await customer.buy()
    assert second["receipt"] == first["receipt"]
    assert len(customer.wallet.paid) == 1
    assert [event.outcome.value for event in events] == ["charged", "sold", "served"]


async def test_the_same_payment_gives_the_same_receipt_and_another_one_another(customer, publish):
    await publish()
    first, second = [await customer.pay(await customer.quote()) for _ in range(2)]
    receipts = [
        json.loads((await customer.ask(ACCESS, payment=each)).body)["receipt"] for each in (first, first, second)
    ]
    assert receipts[0] == receipts[1]
    assert receipts[0]["id"] != receipts[2]["id"]


async def test_after_a_receipt_has_ended_it_is_charged_again(customer, publish, shop):
    await publish()
    first = await customer.buy()
    shop.clock.now = first["receipt"]["allowance"]["until"]
    second = await customer.buy()
    assert second["receipt"]["id"] != first["receipt"]["id"]
    assert len(customer.wallet.paid) == 2


async def test_what_is_free_needs_no_payment_and_nobody_to_prove_who_they_are(customer, publish, shop):
    await publish()
    path, headers = "/v1/datasets/free/access", {"content-type": "application/json"}
    for ask in (customer.signing.request, shop.http.request):
        given = json.loads((await ask("POST", ORIGIN + path, headers=headers, content=b"{}")).body)
        assert (given["receipt"], given["key"]) == (None, None)
        assert (await shop.http.request("GET", given["urls"][0])).status == 200
    body = b'{"kind":"dataset","name":"free"}'
    quote = json.loads((await shop.http.request("POST", f"{ORIGIN}/v1/quotes", headers=headers, content=body)).body)
    assert (quote["satoshis"], quote["methods"], quote["id"]) == (0, [], "")


async def test_who_has_not_proven_who_they_are_is_sold_nothing(publish, shop, open_counter):
    await publish()
    headers = {"content-type": "application/json"}
    for path, body in ((ACCESS, b"{}"), ("/v1/quotes", b'{"kind":"dataset","name":"a"}')):
        reply = await shop.http.request("POST", ORIGIN + path, headers=headers, content=body)
        assert reply.status == 401


@pytest.mark.parametrize("path", ["/v1/datasets/x/y/access", "/v1/datasets/x%2Fy/access"])
async def test_names_keep_their_slashes_in_either_spelling(customer, publisher, make, path):
    await publisher.publish([make("dataset/x/y", price=5), make("dataset/x", price=7)])
    assert (await customer.buy(path))["receipt"]["good"]["name"] == "x/y"


async def test_a_quoted_price_holds_for_its_time_and_new_quotes_have_the_new_one(customer, publish, shop):
    await publish(price=1000, rule={"http": {"window": "10m"}})
    old = await customer.quote()
    await publish(price=5000, rule={"http": {"window": "10m"}}, generation=2)
    assert (await customer.quote())["satoshis"] == 5000
    assert (await customer.ask(ACCESS, payment=await customer.pay(old))).status == 200
    late = await customer.pay(old)
    shop.clock.now += 601
    reply = await customer.ask(ACCESS, payment=late)
    assert (reply.status, json.loads(reply.body)["code"]) == (400, "ERR_INVALID_DERIVATION_PREFIX")


@pytest.mark.parametrize(
    ("rule", "price", "asked"),
    [
        ({"http": {"min": 50}}, 20, 50),
        ({"http": {"min": 50}}, 50, 50),
        ({"http": {"max": 1000}}, 1000, 1000),
    ],
)
async def test_the_smallest_payment_is_a_floor(customer, publish, rule, price, asked):
    await publish(price=price, rule=rule)
    quote = await customer.quote()
    assert (quote["satoshis"], quote["listSatoshis"]) == (asked, price)


async def test_more_than_is_taken_in_one_payment_is_not_sold(customer, publish):
    await publish(rule={"http": {"max": 999}})
    for path, body in ((ACCESS, {}), ("/v1/quotes", {"kind": "dataset", "name": "a"})):
        reply = await customer.ask(path, body)
        assert (reply.status, problem(reply)["code"]) == (409, "ERR_PRICE_NOT_TAKEN")


async def test_what_is_paid_natively_is_not_asked_for_as_brc_105(customer, publish):
    rule = {"http": {}, "native": {}, "routing": {"threshold": 500, "small": "http", "large": "native"}}
    await publish(price=1000, rule=rule)
    quote = await customer.quote()
    assert quote["methods"] == [{"method": "native", "url": "/v1/payments/templates"}]
    reply = await customer.ask(ACCESS)
    asked = problem(reply)
    assert not any(name.startswith("x-bsv-payment") for name in reply.headers)
    assert (reply.status, asked["code"], asked["satoshis"]) == (402, "ERR_PAYMENT_REQUIRED", 1000)
    assert asked["quote"] == {"url": "/v1/quotes", "body": {"kind": "dataset", "name": "a", "quantity": 1}}
    assert asked["methods"] == quote["methods"]


async def test_a_quote_for_a_template_pays_for_no_request_past_those_who_have_shares(customer, publish, shop):
    await publish(price=1000, rule={"native": {}})
    quote = await customer.quote()
    reply = await customer.ask(ACCESS, payment=await customer.pay(quote))
    assert (reply.status, json.loads(reply.body)["code"]) == (400, "ERR_INVALID_DERIVATION_PREFIX")
    template = {"quote": {name: quote[name] for name in ("id", "kind", "name", "quantity", "satoshis")}}
    assert (await customer.ask("/v1/payments/templates", template)).status == 201


async def test_what_was_quoted_for_http_is_taken_though_it_is_paid_natively_since(customer, publish):
    await publish(price=1000, rule={"http": {}})
    quote = await customer.quote()
    await publish(price=1000, rule={"native": {}}, generation=2)
    assert (await customer.ask(ACCESS, payment=await customer.pay(quote))).status == 200


@pytest.mark.parametrize(
    ("state", "code"), [("suspended", "ERR_CONSUMER_SUSPENDED"), ("blocked", "ERR_CONSUMER_BLOCKED")]
)
async def test_who_is_not_served_is_told_before_anything_is_to_be_paid(customer, publish, state, code):
    await publish()
    payment = await customer.pay(await customer.quote())
    await publish(policy={"consumers": [{"key": customer.identity, "state": state}]}, generation=2)
    asked = ((ACCESS, {}, None), (ACCESS, {}, payment), ("/v1/quotes", {"kind": "dataset", "name": "a"}, None))
    for path, body, paid in asked:
        reply = await customer.ask(path, body, payment=paid)
        assert (reply.status, problem(reply)["code"]) == (403, code)
    whoami = json.loads((await customer.ask("/v1/whoami", method="GET")).body)
    assert whoami["state"] == state


async def test_who_has_spent_twice_what_was_served_is_blocked(customer, publish, shop):
    await publish()
    coin = await customer.wallet.coin(5000)
    quote = await customer.quote()
    charge = Charge(Satoshis(quote["satoshis"]), quote["id"], quote["recipient"])
    payment = await customer.wallet.pay(charge, coin=coin)
    assert (await customer.ask(ACCESS, payment=payment)).status == 200
    await shop.ledger.replace(payment.subject, await shop.rival(customer.wallet, coin))
    await shop.till().settle()
    reply = await customer.ask(ACCESS)
    assert (reply.status, problem(reply)["code"]) == (403, "ERR_CONSUMER_BLOCKED")


async def test_a_discount_is_taken_off_last_and_the_quote_says_so(customer, publish):
    policy = {"defaultTier": "friends", "tiers": {"friends": {"discount": "12.5%"}}}
    await publish(price=1001, policy=policy)
    quote = await customer.quote()
    assert (quote["satoshis"], quote["listSatoshis"]) == (876, 1001)
    assert (quote["tier"], quote["discount"]) == ("friends", "12.5%")
    assert [each["method"] for each in quote["methods"]] == ["brc105"]  # nobody has a tier who is nobody known


async def test_who_has_paid_enough_rises_into_a_tier(customer, publish):
    policy = {
        "defaultTier": "new",
        "tiers": {"new": {}, "regular": {"discount": "50%", "promote": {"spent": 1000}}},
    }
    await publish(policy=policy)
    await customer.buy()
    quote = await customer.quote()
    assert (quote["tier"], quote["satoshis"]) == ("regular", 500)


CLUB = {"defaultTier": "new", "tiers": {"new": {}, "club": {"discount": "50%", "fee": {"satoshis": 300, "per": "30d"}}}}


async def test_membership_is_bought_and_its_benefits_hold_as_long_as_it_does(customer, publish, shop):
    await publish(policy=CLUB)
    assert (await customer.quote())["tier"] == "new"
    quote = await customer.quote("club", "tier")
    assert quote["satoshis"] == 300
    assert quote["methods"] == [{"method": "brc105", "url": "/v1/tiers/club/access"}]
    given = await customer.buy("/v1/tiers/club/access")
    receipt = Receipt.parse(given["receipt"])
    assert str(receipt.good) == "tier/club"
    assert receipt.allowance.until == receipt.issued + 30 * 86_400
    inside = await customer.quote()
    assert (inside["tier"], inside["satoshis"]) == ("club", 500)
    shop.clock.now = receipt.allowance.until
    assert (await customer.quote())["tier"] == "new"


async def test_several_terms_are_one_good(customer, publish):
    await publish(policy=CLUB)
    receipt = Receipt.parse((await customer.buy("/v1/tiers/club/access", {"quantity": 3}))["receipt"])
    assert (str(receipt.good), receipt.price) == ("tier/club x 3", 900)
    assert receipt.allowance.until == receipt.issued + 90 * 86_400


async def test_there_is_no_membership_of_a_tier_without_a_fee(customer, publish):
    await publish(policy=CLUB)
    for tier in ("new", "none"):
        assert (await customer.ask(f"/v1/tiers/{tier}/access")).status == 404
        assert (await customer.ask("/v1/quotes", {"kind": "tier", "name": tier})).status == 404


QUOTA = {"defaultTier": "small", "tiers": {"small": {"quota": {"requests": 3, "bytes": 100, "window": "1h"}}}}


async def test_a_quota_of_requests_holds_over_all_processes_and_ends_with_its_window(
    customer, publish, publisher, shop, database
):
    await publish(policy=QUOTA)
    async with counter(shop, publisher):
        await customer.quote()
        await customer.quote()
    async with counter(shop, publisher):
        await customer.quote()
        reply = await customer.ask("/v1/quotes", {"kind": "dataset", "name": "a"})
        assert (reply.status, problem(reply)["code"]) == (429, "ERR_QUOTA_EXCEEDED")
        resets = Window.at(shop.clock(), 3600).resets
        assert reply.headers["retry-after"] == str(resets - int(shop.clock()))
        whoami = json.loads((await customer.ask("/v1/whoami", method="GET")).body)
        used = {"bytes": 0, "requests": 3}
        limits = {"bytes": 100, "requests": 3, "streams": None, "window": 3600}
        assert whoami["quota"] == {**limits, "used": used, "resets": resets}
        shop.clock.now = resets
        await customer.quote()


async def test_what_is_given_in_the_answer_is_accepted_and_delivered_in_one_write(customer, publish, shop, monkeypatch):
    await publish()
    written, honest = [], shop.database.jot

    async def jot(work):
        written.append(type(work).__name__)
        return await honest(work)

    monkeypatch.setattr(shop.database, "jot", jot)
    receipt = (await customer.buy())["receipt"]
    payment = await shop.database.read(lambda connection: Payments(connection).get(receipt["txid"]))
    payments = [name for name in written if name in {"Book", "Note", "Deliver"}]
    assert (payment.state, payments) == (PaymentState.DELIVERED, ["Book", "Note"])


async def test_content_that_is_gone_in_the_moment_in_which_it_was_sold_is_given_all_the_same(
    customer, publish, shop, monkeypatch
):
    await publish()
    sold, jot, content = [], shop.database.jot, Delivery.content

    async def noting(work):
        result = await jot(work)
        if isinstance(work, Note):
            sold.append(result.state)
        return result

    async def going(delivery, document):
        if sold:
            raise StateError("the seed is not here")
        return await content(delivery, document)

    monkeypatch.setattr(shop.database, "jot", noting)
    monkeypatch.setattr(Delivery, "content", going)
    given = await customer.buy()
    assert (sold, given["size"]) == ([PaymentState.DELIVERED], SIZE)


async def test_a_membership_is_owed_until_it_is_in_an_answer(customer, publish, shop, monkeypatch):
    await publish(policy=CLUB)
    dying, jot = ["yes"], shop.database.jot

    async def noting(work):
        result = await jot(work)
        if isinstance(work, Note) and dying.pop() == "yes":
            raise StateError("the server ends here")
        return result

    quote = await customer.quote("club", "tier")
    monkeypatch.setattr(shop.database, "jot", noting)
    with pytest.raises(StateError, match="ends here"):
        await customer.ask("/v1/tiers/club/access", payment=await customer.pay(quote))
    reply = await customer.ask("/v1/tiers/club/access")  # who has forgotten the payment
    assert (reply.status, str(Receipt.parse(json.loads(reply.body)["receipt"]).good)) == (200, "tier/club")


async def test_bytes_that_are_delivered_count_and_what_did_not_leave_does_not(customer, publish, shop, database):
    policy = {"defaultTier": "small", "tiers": {"small": {"quota": {"bytes": SIZE + 1, "window": "1h"}}}}
    await publish(policy=policy)
    given = await customer.buy()
    for status in (200, 200, 429):  # the second begins with a byte left, and is delivered whole
        assert (await shop.http.request("GET", given["urls"][0])).status == status
    refused = await shop.http.request("GET", given["urls"][0])
    assert problem(refused)["code"] == "ERR_QUOTA_EXCEEDED"
    shop.clock.now = Window.at(shop.clock(), 3600).resets
    later = await customer.buy()
    assert (await shop.http.request("GET", later["urls"][0])).status == 200


async def test_who_is_blocked_is_delivered_nothing_whatever_was_bought(customer, publish, shop):
    await publish()
    given = await customer.buy()
    await publish(policy={"consumers": [{"key": customer.identity, "state": "blocked"}]}, generation=2)
    refused = await shop.http.request("GET", given["urls"][0])
    assert (refused.status, problem(refused)["code"]) == (403, "ERR_CONSUMER_BLOCKED")


async def test_nobody_is_asked_to_pay_who_has_no_quota_left_but_what_is_paid_is_served(
    customer, publish, shop, database
):
    await publish(policy=QUOTA)
    payment = await customer.pay(await customer.quote())
    usage = Usage(database)
    usage.count(customer.identity, Window.at(shop.clock(), 3600), Used(requests=3))
    await usage.written()
    assert (await customer.ask(ACCESS)).status == 429
    assert (await customer.ask(ACCESS, payment=payment)).status == 200


async def test_a_payment_that_was_answered_503_is_served_by_the_next_request_without_it(customer, publish, shop):
    await publish(rule={"http": {}, "accept": {"seen": 999}})
    payment = await customer.pay(await customer.quote())
    assert (await customer.ask(ACCESS, payment=payment)).status == 503
    assert (await customer.ask(ACCESS)).status == 503
    await shop.ledger.mine()
    reply = await customer.ask(ACCESS)
    assert reply.status == 200
    assert json.loads(reply.body)["receipt"]["txid"] == payment.subject


async def test_what_is_gone_is_given_to_those_who_have_paid_for_it(customer, publish, publisher, make, shop):
    await publish()
    first = await customer.buy()
    await publisher.publish([make("dataset/other")], generation=2)
    again = await customer.buy()
    assert again["receipt"] == first["receipt"]
    assert (await Customer(shop, "another").ask(ACCESS)).status == 404


async def test_the_same_payment_gives_the_same_receipt_of_what_is_gone_or_free_by_now(
    customer, publish, publisher, make, shop
):
    await publish()
    payment = await customer.pay(await customer.quote())
    given = json.loads((await customer.ask(ACCESS, payment=payment)).body)
    shop.clock.now = given["receipt"]["allowance"]["until"]
    for generation, records in ((2, [make("dataset/other")]), (3, [make("dataset/a")])):
        await publisher.publish(records, generation=generation)
        again = await customer.ask(ACCESS, payment=payment)
        assert (again.status, json.loads(again.body)["receipt"]) == (200, given["receipt"])
    other = Customer(shop, "another")
    await publisher.publish([make("dataset/other")], generation=4)
    assert (await other.ask(ACCESS, payment=payment)).status == 404


async def test_what_was_quoted_is_taken_though_so_much_is_taken_no_more(customer, publish):
    await publish(rule={"http": {"max": 5000}, "accept": {"seen": 5000}})
    quote = await customer.quote()
    await publish(rule={"http": {"max": 500}, "accept": {"seen": 5000}}, generation=2)
    assert (await customer.ask(ACCESS)).status == 409
    assert (await customer.ask(ACCESS, payment=await customer.pay(quote))).status == 200


async def test_a_receipt_that_was_served_is_within_the_quota_of_requests(customer, publish):
    await publish(policy=QUOTA)
    await customer.buy()  # one request that was answered with more than a price
    assert [(await customer.ask(ACCESS)).status for _ in range(3)] == [200, 200, 429]


async def test_what_is_refused_is_in_the_audit_log_with_its_reason(customer, publish, shop, events):
    await publish(rule={"http": {"max": 999}})
    await customer.ask(ACCESS)
    await customer.ask("/v1/quotes", {"kind": "dataset", "name": "a"})
    await publish(policy={"consumers": [{"key": customer.identity, "state": "suspended"}]}, generation=2)
    await customer.ask(ACCESS)
    told = [(event.what.value, event.outcome.value, event.who, event.good, event.code) for event in events]
    who, good = customer.identity, "dataset/a"
    assert told == [
        ("access", "refused", who, good, "ERR_PRICE_NOT_TAKEN"),
        ("quote", "refused", who, good, "ERR_PRICE_NOT_TAKEN"),
        ("access", "refused", who, good, "ERR_CONSUMER_SUSPENDED"),
    ]


async def test_a_download_is_a_line_and_none_of_them_holds_a_secret(customer, publish, shop, events):
    await publish()
    given = await customer.buy()
    await shop.http.request("GET", given["urls"][0])
    last = events[-1]
    assert (last.what.value, last.outcome.value, last.receipt) == ("content", "served", given["receipt"]["id"])
    lines = "\n".join(event.line(shop.clock()) for event in events)
    grant = given["urls"][0].partition("grant=")[2]
    assert not any(secret in lines for secret in (grant, given["key"], customer.wallet.paid[0].to_text()))


MEGABYTES = {"model": "per-mb", "satoshis": 10}


async def test_by_the_megabyte_it_is_sold_whole(customer, publish):
    sealed = {"content": {"sha256": "00" * 32, "size": 2_500_000}}
    await publish(pricing=MEGABYTES, price=0, sealed=sealed)
    quote = await customer.quote()
    assert (quote["quantity"], quote["satoshis"]) == (3, 30)
    reply = await customer.ask("/v1/quotes", {"kind": "dataset", "name": "a", "quantity": 2})
    assert (reply.status, problem(reply)["code"], problem(reply)["quantity"]) == (409, "ERR_QUANTITY", 3)


async def test_what_cannot_be_asked_is_refused(customer, publish):
    await publish()
    for body in (
        {"name": "a"},
        {"kind": "file", "name": "a"},
        {"kind": "dataset", "name": "../a"},
        {"kind": "dataset", "name": "a", "quantity": 0},
        {"kind": "dataset", "name": "a", "quantity": 1.5},
        {"kind": "dataset", "name": "a", "quantity": True},
        {"kind": "dataset", "name": "a", "quantity": 10**12},
        {"kind": "dataset", "name": "a", "price": 1},
        {"kind": "dataset", "name": "a" * 9000},
        ["dataset", "a"],
    ):
        reply = await customer.ask("/v1/quotes", body)
        assert reply.status in {400, 413}, body
        problem(reply)


async def test_what_is_not_on_offer_has_no_price(customer, publish):
    await publish()
    for kind, name in (("stream", "ticks"), ("dataset", "none"), ("producer", "acme")):
        assert (await customer.ask("/v1/quotes", {"kind": kind, "name": name})).status == 404


async def test_a_gateway_that_the_root_does_not_name_sells_nothing_that_nobody_could_check(
    customer, publish, publisher
):
    publisher.gateway_key = IdentityKey("02" + "ab" * 32)
    await publish()
    for path, body in ((ACCESS, {}), ("/v1/quotes", {"kind": "dataset", "name": "a"})):
        reply = await customer.ask(path, body)
        assert (reply.status, problem(reply)["code"]) == (503, "ERR_NOT_THE_GATEWAY")
    assert (await customer.ask("/v1/datasets/free/access")).status == 200


@pytest.mark.parametrize("settings", [{"rule": {"cash": {}}}, {"policy": {"tiers": {"a": {"speed": 1}}}}])
async def test_what_cannot_be_read_stops_the_sale_and_not_the_catalog(customer, publish, settings):
    await publish(**settings)
    with pytest.raises(Exception, match="cannot be read"):
        await customer.ask(ACCESS)
    assert (await customer.ask("/v1/catalog", method="GET")).status == 200


async def test_sealed_settings_are_in_no_answer(customer, publish, secret):
    policy = {"consumers": [{"key": customer.identity, "state": "active", "note": secret}]}
    await publish(policy=policy)
    texts = [(await customer.ask(path, method="GET")).body for path in ("/v1/whoami", "/v1/catalog", "/v1/producer")]
    texts += [json.dumps(await customer.quote()).encode(), json.dumps(await customer.buy()).encode()]
    assert not any(secret.encode() in text for text in texts)


CONTENT = f"{ORIGIN}/v1/datasets/a/content"


async def test_small_content_is_bought_without_a_signature_and_is_for_the_payers_eyes_only(shop, customer, publish):
    await publish()
    buyer = SimpleBuyer(shop)
    reply = await request_paid(shop.http, buyer, "GET", CONTENT, cap=Satoshis(1000), pause=shop.waiting)

    assert reply.status == 200
    assert DATA not in reply.body
    assert content_of(reply, buyer.keys, shop.keys.identity) == DATA
    with pytest.raises(VerificationError):
        content_of(reply, customer.wallet.keys, shop.keys.identity)
    assert reply.headers["cache-control"] == "no-store"

    replayed = await shop.http.request("GET", CONTENT, headers=buyer.made[0].headers())
    assert (replayed.status, replayed.body) == (402, b"")
    path = replayed.headers["link"].partition(">")[0].lstrip("<")
    signing = AuthenticatedHttp(shop.http, buyer.keys)
    (found,) = (await signing.request("GET", ORIGIN + path)).json()["receipts"]
    assert found["receipt"]["id"] == reply.headers["x-bsv-receipt"]
    assert found["receipt"]["method"] == "brc121"
    again = await signing.request("GET", CONTENT)  # signed, the receipt is as good as a payment
    assert (again.status, again.body) == (200, DATA)


async def test_nobody_gets_a_discount_without_having_said_who_he_is(shop, customer, publish):
    buyer = SimpleBuyer(shop)
    friends = [{"key": buyer.identity, "tier": "friends", "state": "active"}]
    await publish(policy={"tiers": {"friends": {"discount": "50%"}}, "consumers": friends})
    asked = await shop.http.request("GET", CONTENT, headers={"x-bsv-sender": buyer.identity})
    assert (asked.status, asked.headers["x-bsv-sats"]) == (402, "1000")


async def test_who_is_blocked_is_not_sold_anything_without_a_signature_either(shop, customer, publish):
    buyer = SimpleBuyer(shop)
    await publish(policy={"consumers": [{"key": buyer.identity, "state": "blocked"}]})
    price = Price(Satoshis(1000), shop.keys.identity)
    reply = await shop.http.request("GET", CONTENT, headers=(await buyer.pay(price)).headers())
    assert (reply.status, problem(reply)["code"]) == (403, "ERR_CONSUMER_BLOCKED")
    assert await shop.standing(buyer.made[0].subject) is None


async def test_what_is_paid_natively_is_not_sold_with_a_request(shop, customer, publish):
    await publish(rule={"native": {}})
    assert (await shop.http.request("GET", CONTENT)).status == 403
    assert (await customer.signing.request("GET", CONTENT)).status == 402


@pytest.mark.long
async def test_whatever_somebody_known_asks_the_answer_is_one_of_these(customer, publish, open_counter):
    await publish(policy=CLUB)
    paths = {path: item for path, item in SELLING["paths"].items() if path.startswith("/v1/")}
    await hammer({**SELLING, "paths": paths}, known(open_counter, customer.identity), examples=15)


async def test_what_was_paid_without_a_signature_and_could_not_be_fetched_is_given_for_the_same_payment(
    shop, customer, publish, monkeypatch
):
    await publish()
    buyer, fetch = SimpleBuyer(shop), Contents.read
    payment = await buyer.pay(Price(Satoshis(1000), shop.keys.identity))

    async def away(*_):
        raise UnreachableError("no storage host answers")

    monkeypatch.setattr(Contents, "read", away)
    assert (await shop.http.request("GET", CONTENT, headers=payment.headers())).status == 503

    monkeypatch.setattr(Contents, "read", fetch)
    shop.clock.now += 3600
    reply = await shop.http.request("GET", CONTENT, headers=payment.headers())
    assert reply.status == 200
    assert content_of(reply, buyer.keys, shop.keys.identity) == DATA
