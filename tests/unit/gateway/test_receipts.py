"""Receipts at the gateway: their buyer's, and nobody else's."""

from __future__ import annotations

import time

import pytest

from reconciler.clients.auth import BrcAuth
from reconciler.gateway.openapi import DOCUMENT
from reconciler.payments.books import Book, Note
from reconciler.payments.network import Told
from reconciler.payments.verdict import Word
from reconciler.store.receipts import Use
from reconciler.wire.http import Reply
from reconciler.wire.receipt import Receipt
from tests.describing import check
from tests.paying import keys_of
from tests.selling import SELLER, open_books, payment

ORIGIN = "http://gateway.example"
NOW = int(time.time())


@pytest.fixture
async def sold(database):
    await open_books(database)
    made = payment(booked=NOW)
    await database.write(Book(made))
    await database.write(Note(made, Told(Word.SEEN), SELLER, NOW))
    return made


@pytest.fixture
def ask(gateway, keys):
    """A question of somebody; his answer, which is as the OpenAPI document says."""
    clients = {}

    async def asked(who: str, path: str, route: str):
        auth = clients.setdefault(who, BrcAuth(keys_of(who), servers={ORIGIN: keys.identity}))
        given = await gateway.get(path, auth=auth)
        headers = {name.lower(): value for name, value in given.headers.items()}
        check(DOCUMENT, "get", route, Reply(path, given.status_code, headers, given.content))
        return given

    return asked


async def test_a_buyer_finds_his_receipt_by_the_payment_and_by_its_id(ask, database, sold):
    found = await ask("buyer", f"/v1/receipts?txid={sold.txid}", "/v1/receipts")
    (only,) = found.json()["receipts"]
    receipt = Receipt.parse(only["receipt"])
    receipt.check()
    assert (receipt.txid, receipt.buyer, only["state"]) == (sold.txid, sold.buyer, "live")
    assert only["used"] == {"downloads": 0, "bytes": 0}
    assert found.headers["cache-control"] == "no-store"

    await database.write(Use(receipt.id, 1, 1000, NOW))
    again = (await ask("buyer", f"/v1/receipts/{receipt.id}", "/v1/receipts/{id}")).json()
    assert (again["receipt"], again["used"]) == (only["receipt"], {"downloads": 1, "bytes": 1000})


async def test_a_receipt_whose_payment_is_lost_is_revoked(ask, database, sold):
    await database.write(Note(sold, Told(Word.BEATEN), SELLER, NOW))
    found = await ask("buyer", f"/v1/receipts?txid={sold.txid}", "/v1/receipts")
    assert found.json()["receipts"][0]["state"] == "revoked"


async def test_nobody_else_learns_that_there_is_one(ask, sold):
    mine = (await ask("buyer", f"/v1/receipts?txid={sold.txid}", "/v1/receipts")).json()["receipts"][0]["receipt"]
    theirs = await ask("thief", f"/v1/receipts?txid={sold.txid}", "/v1/receipts")
    none = await ask("thief", f"/v1/receipts?txid={'00' * 32}", "/v1/receipts")
    assert (theirs.status_code, theirs.json()) == (404, none.json())
    theirs = await ask("thief", f"/v1/receipts/{mine['id']}", "/v1/receipts/{id}")
    none = await ask("thief", f"/v1/receipts/{'00' * 32}", "/v1/receipts/{id}")
    assert (theirs.status_code, theirs.json()) == (404, none.json())


async def test_nobody_is_shown_anything_without_proof_of_who_he_is(gateway, sold):
    for path in (f"/v1/receipts?txid={sold.txid}", f"/v1/receipts/{'00' * 32}"):
        assert (await gateway.get(path)).status_code == 401


@pytest.mark.parametrize("query", ["", "?txid=", "?txid=xyz", f"?txid={'AB' * 32}x", "?id=1"])
async def test_a_question_without_a_transaction_is_none(ask, query):
    assert (await ask("buyer", f"/v1/receipts{query}", "/v1/receipts")).status_code == 400


async def test_an_id_that_is_none_is_nobody_s(ask):
    assert (await ask("buyer", "/v1/receipts/xyz", "/v1/receipts/{id}")).status_code == 404
