"""What somebody may try at the counter, over HTTP: each refused with a code, nothing given, nothing booked, nobody charged."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.model.amounts import Satoshis
from reconciler.store.receipts import Receipts
from reconciler.wire.payment import Charge
from reconciler.wire.receipt import Receipt
from tests.conftest import SQLITE, Databases, Producer
from tests.storefront import FEE, ORIGIN, selling

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: Acme
  network: embedded
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: one}
spec: {source: {path: data/one.csv}, title: One, price: 1000}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: two}
spec: {source: {path: data/two.csv}, title: Two, price: 1000}
"""
ONE, TWO = "/v1/datasets/one/access", "/v1/datasets/two/access"


def stock(producer: Producer) -> Producer:
    producer.data("one.csv", "a,b\n1,2\n")
    producer.data("two.csv", "a,b\n3,4\n")
    producer.write(MANIFEST)
    asyncio.run(producer.apply())
    return producer


@pytest.fixture(scope="module")
def stocked_world(tmp_path_factory, migrated) -> Path:
    """A producer that has applied, to copy."""
    folder = tmp_path_factory.mktemp("robbed")
    (folder / "producer").mkdir()
    databases = Databases(SQLITE, folder, migrated, None)
    stock(Producer(folder / "producer", folder / "home", databases, databases.environment()))
    return folder


@pytest.fixture
def producer(producer, databases, request, tmp_path) -> Producer:
    if databases.dialect != SQLITE:
        return stock(producer)
    world = request.getfixturevalue("stocked_world")
    for name in ("producer", "home"):
        shutil.copytree(world / name, tmp_path / name, dirs_exist_ok=True)
    return producer


@pytest.fixture
async def stand(producer, now):
    async with selling(producer, now=now) as stand:
        yield stand


async def asked(stand, buyer, path=ONE) -> Charge:
    """What a 402 asks of a buyer."""
    reply = await buyer.post(path)
    assert reply.status == 402
    return Charge.parse(reply.headers, stand.keys.identity)


async def sold(stand, payment) -> Receipt | None:
    stored = await stand.site.database.read(lambda connection: Receipts(connection).of_payment(payment.subject))
    return None if stored is None else stored.receipt


async def refused(producer, stand, buyer, payment, path=ONE) -> str:
    """The code of the answer; nothing was sold for it, and the books are as they were."""
    before = (await producer.audit()).takings
    reply = await buyer.post(path, payment=payment)
    assert reply.status == 400, reply.body
    audited = await producer.audit()
    assert (audited.differences, audited.takings) == ((), before)
    answer = json.loads(reply.body)
    assert answer.keys() == {"status", "code", "description"}
    return answer["code"]


async def test_one_satoshi_for_what_costs_a_thousand(producer, stand):
    buyer = stand.buyer()
    cheap = await buyer.pay(replace(await asked(stand, buyer), satoshis=Satoshis(1)))
    assert await refused(producer, stand, buyer, cheap) == "ERR_PAYMENT_INSUFFICIENT"
    assert await sold(stand, cheap) is None


async def test_a_payment_that_somebody_else_has_seen(producer, stand):
    buyer, thief = stand.buyer(), stand.buyer("thief")
    payment = await buyer.pay(await asked(stand, buyer))
    assert await refused(producer, stand, thief, payment) == "ERR_INVALID_DERIVATION_PREFIX"
    given = (await buyer.post(ONE, payment=payment)).json()
    assert given["receipt"]["buyer"] == buyer.identity
    assert await refused(producer, stand, thief, payment) == "ERR_PAYMENT_REUSED"
    for path in (f"/v1/receipts?txid={payment.subject}", f"/v1/receipts/{given['receipt']['id']}"):
        assert (await thief.signing.request("GET", ORIGIN + path)).status == 404
    assert (await thief.post(ONE)).status == 402


async def test_one_payment_for_two_goods(producer, stand):
    buyer = stand.buyer()
    payment = await buyer.pay(await asked(stand, buyer))
    assert (await buyer.post(ONE, payment=payment)).status == 200
    assert await refused(producer, stand, buyer, payment, TWO) == "ERR_PAYMENT_REUSED"
    assert (await buyer.post(TWO)).status == 402


async def test_one_coin_for_two_goods_at_the_same_time(producer, stand):
    buyer = stand.buyer()
    coin = await buyer.coin(1000 + FEE)
    payments = {path: await buyer.pay(await asked(stand, buyer, path), coin) for path in (ONE, TWO)}
    replies = await asyncio.gather(*(buyer.post(path, payment=payment) for path, payment in payments.items()))
    assert sorted(reply.status for reply in replies) == [200, 400]
    assert {json.loads(reply.body).get("code") for reply in replies} == {None, "ERR_PAYMENT_REUSED"}
    audited = await producer.audit()
    assert (audited.differences, audited.takings.revenue.satoshis) == ((), 1000)


async def test_a_price_whose_time_is_up(producer, stand, now):
    buyer = stand.buyer()
    payment = await buyer.pay(await asked(stand, buyer))
    now.more += 3600
    assert await refused(producer, stand, buyer, payment) == "ERR_INVALID_DERIVATION_PREFIX"


async def test_the_nonce_of_a_session_as_a_price(producer, stand):
    """The reference takes any nonce of its own, such as every handshake gives away."""
    buyer = stand.buyer()
    charge = await asked(stand, buyer)
    session = (await buyer.post(ONE)).headers["x-bsv-auth-your-nonce"]
    for nonce in (session, base64.b64encode(b"\0" * 48).decode()):
        payment = await buyer.pay(replace(charge, prefix=nonce[:128]))
        assert await refused(producer, stand, buyer, payment) == "ERR_INVALID_DERIVATION_PREFIX"


@pytest.mark.parametrize(
    "header", ["", "x", "{}", '{"derivationPrefix":"a","derivationSuffix":"b","transaction":"AAAA"}']
)
async def test_what_is_no_payment_at_all(stand, header):
    buyer = stand.buyer()
    headers = {"content-type": "application/json", "x-bsv-payment": header}
    reply = await buyer.signing.request("POST", ORIGIN + ONE, headers=headers, content=b"{}")
    assert (reply.status, json.loads(reply.body)["code"]) == (400, "ERR_MALFORMED_PAYMENT")


async def test_one_payment_at_two_gateways_at_the_same_time_is_one_sale(producer, stand, now):
    async with selling(producer, now=now) as other:
        here, there = stand.buyer(), other.buyer()
        payment = await here.pay(await asked(stand, here))
        replies = await asyncio.gather(*(each.post(ONE, payment=payment) for each in (here, there) * 3))
    assert {reply.status for reply in replies} == {200}
    assert len({json.dumps(json.loads(reply.body)["receipt"]) for reply in replies}) == 1
    audited = await producer.audit()
    assert (audited.differences, audited.takings.revenue.satoshis) == ((), 1000)
