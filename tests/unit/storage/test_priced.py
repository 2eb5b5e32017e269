"""A host that asks money: for taking bytes and for keeping them longer, once each (PROTOCOL §7)."""

from __future__ import annotations

import json

import pytest

from reconciler.clients.auth import AuthenticatedHttp
from reconciler.clients.payment import PayingHttp
from reconciler.clients.storage import StorageClient
from reconciler.model.amounts import Satoshis
from reconciler.storage.terms import Prices
from reconciler.store.coins import Coins
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.uhrp import url_of
from tests.paying import Buyer

MUCH = 50_000_000
"""Satoshis for a gigabyte and month: 5,000 bytes for an hour are the least price, for a month 250."""
MONTH = 43_200


@pytest.fixture
def priced(world):
    world.serve(prices=Prices(per_gigabyte_month=MUCH))
    return world


@pytest.fixture
def buyer(world, request) -> Buyer:
    return Buyer(world.ledger, f"buyer of {request.node.name}")


@pytest.fixture
def paying(priced, buyer):
    """A door that signs and pays."""
    signed = AuthenticatedHttp(priced.http, buyer.keys, randomness=priced.randomness)
    return PayingHttp(signed, buyer, cap=Satoshis(10_000))


@pytest.fixture
def client(priced, buyer) -> StorageClient:
    signed = AuthenticatedHttp(priced.http, buyer.keys, randomness=priced.randomness)
    return StorageClient(priced.http, "http://storage-eu.embedded", signed=signed)


async def bought(paying, path, body, payment=None):

    return await paying.request(
        "POST", f"http://storage-eu.embedded{path}", content=json.dumps(body).encode(), payment=payment
    )


async def test_an_upload_is_asked_for_paid_and_kept_from_when_it_was_paid(priced, buyer, paying, client, content):
    wish = {"fileSize": len(content), "retentionPeriod": MONTH}
    quote = (await priced.ask("POST", "/quote", wish)).json()["quote"]
    asked = await client._signed.request(
        "POST", "http://storage-eu.embedded/upload", content=b'{"fileSize":5000,"retentionPeriod":43200}'
    )
    assert (quote, asked.status, asked.headers["x-bsv-payment-satoshis-required"]) == (250, 402, "250")

    leave = (await bought(paying, "/upload", wish)).json()
    paid_at = int(priced.clock())
    priced.clock.now += 3600
    stored = await priced.ask("PUT", leave["uploadURL"], content=content)

    assert leave["amount"] == 250
    assert stored.json()["expiryTime"] == paid_at + MONTH * 60
    assert await client.listing() == {sha256_hex(content): paid_at + MONTH * 60}


async def test_the_same_payment_gives_the_same_url_and_nothing_is_paid_twice(priced, buyer, paying, content):
    wish = {"fileSize": len(content), "retentionPeriod": MONTH}
    first = (await bought(paying, "/upload", wish)).json()
    (payment,) = buyer.paid
    priced.clock.now += 600

    again = (await bought(paying, "/upload", wish, payment)).json()

    assert again == first
    assert len(buyer.paid) == 1
    other = await bought(paying, "/upload", {**wish, "fileSize": 4000}, payment)
    assert (other.status, other.json()["code"]) == (400, "ERR_PAYMENT_REUSED")


async def test_one_payment_is_one_content(priced, paying, content):
    leave = (await bought(paying, "/upload", {"fileSize": 5000, "retentionPeriod": MONTH})).json()
    assert (await priced.ask("PUT", leave["uploadURL"], content=content)).status == 200

    other = await priced.ask("PUT", leave["uploadURL"], content=content[::-1])

    assert (other.status, other.json()["code"]) == (400, "ERR_USED")


async def test_a_renewal_is_paid_and_applied_once(priced, buyer, paying, client, content):
    leave = (await bought(paying, "/upload", {"fileSize": 5000, "retentionPeriod": MONTH})).json()
    before = (await priced.ask("PUT", leave["uploadURL"], content=content)).json()["expiryTime"]
    wish = {"uhrpUrl": url_of(sha256_hex(content)), "additionalMinutes": 2 * MONTH}

    first = (await bought(paying, "/renew", wish)).json()
    payment = buyer.paid[-1]
    again = (await bought(paying, "/renew", wish, payment)).json()

    after = before + 2 * MONTH * 60
    assert first == again
    assert first == {"status": "success", "prevExpiryTime": before, "newExpiryTime": after, "amount": 500}
    assert await client.listing() == {sha256_hex(content): after}
    assert [token.expires for token in await priced.adverts(sha256_hex(content))] == [after]
    assert (await bought(paying, "/renew", wish)).json()["newExpiryTime"] == after + 2 * MONTH * 60


async def test_what_cannot_be_had_is_not_charged_for(priced, buyer, paying, content):
    unknown = {"uhrpUrl": url_of(sha256_hex(content)), "additionalMinutes": 10}

    assert (await bought(paying, "/renew", unknown)).status == 404
    assert (await bought(paying, "/upload", {"fileSize": 16, "retentionPeriod": 10})).status == 400
    assert buyer.paid == []


async def test_what_uploaders_pay_pays_for_advertisements_once_it_is_mined(priced, buyer, paying, content):
    async def put(data):
        leave = (await bought(paying, "/upload", {"fileSize": len(data), "retentionPeriod": 20 * MONTH})).json()
        return (await priced.ask("PUT", leave["uploadURL"], content=data)).status

    priced.gifts.shut = True
    assert await put(content) == 503  # nothing to advertise with: what was paid is not mined yet
    await priced.ledger.mine()
    priced.clock.now += 60
    await priced.till.settle()
    await priced.till.settle()

    assert await put(content) == 200

    (token,) = await priced.adverts(sha256_hex(content))
    assert token.size == 5000
    async with priced.databases["storage"].reading() as connection:
        spent = [coin for coin in await Coins(connection).all() if coin.satoshis == 5000 and coin.spent_by]
    assert len(spent) == 1


async def test_what_was_announced_is_what_is_taken(world, content):
    wish = {"fileSize": 5000, "retentionPeriod": 60, "sha256": sha256_hex(content)}
    url = (await world.ask("POST", "/upload", wish)).json()["uploadURL"]

    other = await world.ask("PUT", url, content=content[::-1])
    assert (other.status, other.json()["code"]) == (400, "ERR_INVALID_HASH")
    assert world.lying() == []
    assert (await world.ask("PUT", url.replace(sha256_hex(content), sha256_hex(content[::-1])))).status == 400
    assert (await world.ask("PUT", url, content=content)).status == 200
    malformed = await world.ask("POST", "/upload", {**wish, "sha256": "xyz"})
    assert malformed.json()["code"] == "ERR_INVALID_HASH"
