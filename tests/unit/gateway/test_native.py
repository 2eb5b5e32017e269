"""Native payments over HTTP, from the quote to what became of the money, on a toy chain with real coins."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Router

from reconciler.clients.auth import AuthenticatedHttp
from reconciler.gateway.native import native_routes
from reconciler.gateway.openapi_payments import NATIVE_PATHS, SETTLEMENT_PATHS
from reconciler.gateway.receipts import receipt_routes
from reconciler.gateway.settlements import settlement_routes
from reconciler.model.keys import KeyRef, payment_key
from reconciler.payments.treasury import Daily, Treasury
from reconciler.store.replays import Replays
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.web.auth import Authenticated
from reconciler.web.problems import HANDLERS
from reconciler.web.sessions import Sessions
from reconciler.wire.beef import parse_beef
from reconciler.wire.receipt import Receipt
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import TxOutput
from tests.describing import check
from tests.paying import FEE, ORIGIN, Away, Shop, keys_of
from tests.selling import open_books, terms
from tests.templates import GOOD, OTHER, PAYEE, PRICE, Counter, quote, sell, transaction

PRODUCER = keys_of("producer")
DOCUMENT = {"paths": {**NATIVE_PATHS, **SETTLEMENT_PATHS}}


class Market:
    """A gateway that sells one good natively, and those who talk to it."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.counter = Counter(shop)
        self.counter.selling_now = replace(self.counter.selling_now, terms=terms(GOOD))
        self._clients: dict[str, AuthenticatedHttp] = {}
        self.serve()

    def serve(self, *, page=100, **more) -> None:
        shop, gateway = self.shop, self.shop.keys.identity
        routes = [
            *native_routes(sell(shop, self.counter, **more), shop.database, gateway),
            *receipt_routes(shop.database, shop.clock, gateway),
            *settlement_routes(shop.database, producer=PRODUCER.identity, gateway=gateway, page=page),
        ]
        app = Starlette(routes=[Mount("/v1", app=Router(routes))], exception_handlers=HANDLERS)
        sessions = Sessions(
            keys=shop.keys, replays=Replays(shop.database), clock=shop.clock, randomness=shop.randomness
        )
        shop.http.mount(ORIGIN, Authenticated(app, keys=shop.keys, sessions=sessions, randomness=shop.randomness))
        self._clients.clear()

    async def ask(self, who, method, path, body=None):
        client = self._clients.setdefault(
            who.identity, AuthenticatedHttp(self.shop.http, who, randomness=self.shop.randomness)
        )
        content = None if body is None else json.dumps(body).encode()
        headers = {} if content is None else {"content-type": "application/json"}
        reply = await client.request(method, f"{ORIGIN}/v1{path}", content=content, headers=headers)
        route = f"/v1{path.partition('?')[0]}"
        if route in DOCUMENT["paths"]:
            check(DOCUMENT, method.lower(), route, reply)
        return reply

    async def template(self, buyer):
        record = GOOD.record
        asked = {"id": quote(self.shop, buyer), "kind": record.kind.value, "name": record.name, "satoshis": PRICE}
        reply = await self.ask(buyer.keys, "POST", "/payments/templates", {"quote": asked})
        assert reply.status == 201, reply.body
        return reply.json()

    async def pay(self, buyer, template, beef, txid):
        body = {"template": template["id"], "transaction": base64.b64encode(beef.to_atomic(txid)).decode()}
        return await self.ask(buyer.keys, "POST", "/payments", body)

    async def bought(self, buyer):
        """A template, paid: the transaction's id and the answer."""
        template = await self.template(buyer)
        beef, txid = await transaction(buyer, wanted(template))
        return txid, await self.pay(buyer, template, beef, txid)

    async def settlements(self, who, since=None):
        query = "" if since is None else f"?since={since}"
        return (await self.ask(who, "GET", f"/settlements{query}")).json()

    def treasury(self):
        async def cadence():
            return Daily(1, None)

        shop = self.shop
        return Treasury(
            database=shop.database,
            keys=shop.keys,
            producer=PRODUCER.identity,
            miner=shop.arc,
            chain=shop.headers,
            clock=shop.clock,
            cadence=cadence,
        )

    async def block(self):
        """A block, and whoever looks."""
        await self.shop.ledger.mine()
        self.shop.clock.now += 100
        await self.shop.till().settle()
        await self.treasury().round()


def wanted(template):
    return [TxOutput(each["satoshis"], bytes.fromhex(each["script"])) for each in template["outputs"]]


@pytest.fixture
async def shop(tmp_path, database, request) -> AsyncIterator[Shop]:
    shop = Shop(tmp_path, database, request.node.name)
    async with shop.ledger, shop.http:
        yield shop


@pytest.fixture
async def market(shop):
    await open_books(shop.database)
    return Market(shop)


@pytest.fixture
def buyer(shop):
    return shop.buyer()


async def test_a_quote_a_template_a_transaction_a_receipt(market, buyer):
    template = await market.template(buyer)
    assert [(each["satoshis"], each["to"]) for each in template["outputs"]] == [
        (3000, "payee"),
        (54_000, "producer"),
        (3000, "payee"),
    ]
    beef, txid = await transaction(buyer, wanted(template))
    paid = await market.pay(buyer, template, beef, txid)
    receipt = Receipt.parse(paid.json()["receipt"])
    receipt.check()
    assert (receipt.buyer, receipt.txid, receipt.method.value) == (buyer.identity, txid, "native")
    assert (receipt.price, receipt.satoshis) == (PRICE, PRICE)
    again = await market.pay(buyer, template, beef, txid)
    assert (again.status, again.json()) == (200, paid.json())


async def test_while_nothing_is_known_the_same_shall_come_again_and_it_is_paid_once(market, buyer):
    market.serve(miner=Away(), hold_seconds=0)
    template = await market.template(buyer)
    beef, txid = await transaction(buyer, wanted(template))
    later = await market.pay(buyer, template, beef, txid)
    assert (later.status, later.headers["retry-after"], later.json()["code"]) == (503, "5", "ERR_PAYMENT_PENDING")
    market.serve()
    assert (await market.pay(buyer, template, beef, txid)).json()["receipt"]["txid"] == txid


WRONG = {
    "no template": ({"transaction": "AA=="}, 400, "ERR_MALFORMED_PAYMENT"),
    "no id": ({"template": "x", "transaction": "AA=="}, 400, "ERR_MALFORMED_PAYMENT"),
    "no BEEF": ({"template": "ab" * 32, "transaction": "AA=="}, 400, "ERR_MALFORMED_PAYMENT"),
    "no base64": ({"template": "ab" * 32, "transaction": "!"}, 400, "ERR_MALFORMED_PAYMENT"),
    "a list": ([], 400, "ERR_MALFORMED_PAYMENT"),
    "more": ({"template": "ab" * 32, "transaction": "AA==", "more": 1}, 400, "ERR_MALFORMED_PAYMENT"),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_is_no_payment_is_said_to_be_none(market, buyer, wrong):
    body, status, code = WRONG[wrong]
    reply = await market.ask(buyer.keys, "POST", "/payments", body)
    assert (reply.status, reply.json()["code"]) == (status, code)


async def test_a_transaction_that_pays_too_little_is_refused_by_a_code(market, buyer):
    template = await market.template(buyer)
    less = [replace(each, satoshis=each.satoshis - 1) for each in wanted(template)]
    reply = await market.pay(buyer, template, *await transaction(buyer, less))
    assert (reply.status, reply.json()["code"]) == (400, "ERR_PAYMENT_INSUFFICIENT")


async def test_templates_are_their_buyers(market, buyer):
    template = await market.template(buyer)
    other = market.shop.buyer("other")
    assert (await market.pay(other, template, *await transaction(other, wanted(template)))).status == 404


@pytest.mark.parametrize("field", ["id", "kind", "name", "satoshis", "quantity"])
async def test_a_quote_that_is_another_is_refused(market, buyer, field):
    record = GOOD.record
    asked = {"id": quote(market.shop, buyer), "kind": record.kind.value, "name": record.name, "satoshis": PRICE}
    asked |= {"id": "AAAA"} if field == "id" else {field: {"kind": "stream", "name": "eth"}.get(field, 5)}
    reply = await market.ask(buyer.keys, "POST", "/payments/templates", {"quote": asked})
    assert (reply.status, reply.json()["code"]) == (400, "ERR_INVALID_DERIVATION_PREFIX")


async def test_nobody_unknown_gets_anything(market):
    for method, path in (("POST", "/payments"), ("POST", "/payments/templates"), ("GET", "/settlements")):
        assert (await market.shop.http.request(method, f"{ORIGIN}/v1{path}")).status == 401


async def test_what_came_too_late_goes_back_and_the_buyer_sees_how(market, buyer):
    template = await market.template(buyer)
    beef, txid = await transaction(buyer, wanted(template))
    market.shop.clock.now += 3600
    market.counter.selling_now = None
    answer = (await market.pay(buyer, template, beef, txid)).json()
    assert (answer["receipt"], answer["refund"]["state"], answer["refund"]["credit"]) == (None, "waiting", 0)
    await market.shop.till().settle()
    await market.block()
    refund = (await market.pay(buyer, template, beef, txid)).json()["refund"]
    assert refund["credit"] == 6000  # what payees got is not ours to send
    assert refund["satoshis"] + refund["fee"] == 54_000
    found = (await market.ask(buyer.keys, "GET", f"/receipts?txid={txid}")).json()
    assert (found["receipts"], found["refund"]) == ([], refund)
    assert (await market.ask(keys_of("other"), "GET", f"/receipts?txid={txid}")).status == 404
    whole, subject = parse_beef(base64.b64decode(refund["beef"]))
    key = payment_key(refund["derivationPrefix"], refund["derivationSuffix"], refund["senderIdentityKey"])
    coin = whole.transactions[subject].transaction
    money = Spendable(coin.outpoint(refund["vout"]), coin.outputs[0], key, Lock.P2PKH)
    back = signed([money], [TxOutput(refund["satoshis"] - FEE, p2pkh(buyer.identity))], buyer.keys)
    assert (await market.shop.ledger.submit(back)).standing.value == "seen"


async def test_what_was_served_and_lost_is_not_told_as_given_back(market, buyer):
    txid, paid = await market.bought(buyer)
    assert paid.status == 200
    found = (await market.ask(buyer.keys, "GET", f"/receipts?txid={txid}")).json()
    assert ("refund" in found, found["receipts"][0]["state"]) == (False, "live")


async def test_the_producer_sees_what_is_settled_and_what_is_not(market, buyer):
    await market.bought(buyer)
    before = await market.settlements(PRODUCER)
    assert (before["settlements"], before["unsettled"]) == ([], {"count": 1, "satoshis": 54_000})
    await market.block()
    (sent,) = (await market.settlements(PRODUCER))["settlements"]
    assert (sent["state"], sent["height"]) == ("seen", None)
    await market.block()
    after = await market.settlements(PRODUCER)
    (settled,) = after["settlements"]
    assert (settled["state"], settled["height"]) == ("mined", await market.shop.ledger.height())
    assert after["unsettled"] == {"count": 0, "satoshis": 0}
    beef, subject = parse_beef(base64.b64decode(settled["beef"]))
    verified = await market.shop.headers.verified(beef, subject, now=int(market.shop.clock()))
    key = KeyRef(settled["protocol"], settled["keyId"], settled["counterparty"])
    assert verified.transaction.outputs[settled["vout"]] == TxOutput(settled["satoshis"], p2pkh(PRODUCER.public(key)))


async def test_a_payee_sees_his_own_and_can_spend_it(market, buyer):
    txid, _ = await market.bought(buyer)
    assert (await market.settlements(PAYEE))["unsettled"] == {"count": 1, "satoshis": 3000}
    await market.block()
    for keys, vout in ((PAYEE, 0), (OTHER, 2)):
        found = await market.settlements(keys)
        (coin,) = found["settlements"]
        assert (coin["txid"], coin["vout"], coin["satoshis"], coin["state"]) == (txid, vout, 3000, "mined")
        key = KeyRef(coin["protocol"], coin["keyId"], coin["counterparty"])
        beef, subject = parse_beef(base64.b64decode(coin["beef"]))
        output = beef.transactions[subject].transaction.outputs[vout]
        money = Spendable(beef.transactions[subject].transaction.outpoint(vout), output, key, Lock.P2PKH)
        spent = signed([money], [TxOutput(3000 - FEE, p2pkh(keys.identity))], keys)
        assert (await market.shop.ledger.submit(spent)).standing.value == "seen"
    assert (await market.settlements(buyer.keys))["settlements"] == []


async def test_it_is_read_from_a_height_on_and_page_after_page(market, buyer):
    market.serve(page=2)
    txids = set()
    for number in range(3):
        txid, _ = await market.bought(market.shop.buyer(str(number)))
        txids.add(txid)
    await market.block()
    txid, _ = await market.bought(buyer)
    await market.block()
    height = await market.shop.ledger.height()
    first = await market.settlements(PAYEE)
    rest = await market.settlements(PAYEE, first["next"])
    shown = [coin["txid"] for coin in (*first["settlements"], *rest["settlements"])]
    assert (set(shown), len(shown)) == (txids | {txid}, 4)
    assert [coin["txid"] for coin in (await market.settlements(PAYEE, height))["settlements"]] == [txid]
    last = await market.settlements(PAYEE, rest["next"])
    assert (last["settlements"], last["next"]) == ([], None)


@pytest.mark.parametrize("since", ["x", "-1", "1.2", "01", "", "9999999999"])
async def test_where_to_go_on_is_read_strictly(market, since):
    assert (await market.ask(PRODUCER, "GET", f"/settlements?since={since}")).status == 400
