"""The public vectors of BRC-121, asked of our gate as they are written: each passes, fails, or is invalid with the reason.

The server's key is the private key 1. What a path costs is what the vectors that ask for a price expect.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from reconciler.clients.brc121 import request_paid
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import identity_key
from reconciler.model.keys import payment_key
from reconciler.wallet.keys import Keys
from reconciler.wire.brc121 import Price, SimplePayment, suffix_of
from tests.paying import Shop
from tests.simple_paying import SIMPLE, SimpleBuyer, SimpleCounter

FOLDER = Path(os.environ.get("OVERLAY_VECTORS") or Path(__file__).parents[2].parent / "shared" / "vectors")
FILE = "payments/brc121.json"
PRICES = {"/api/data": 50}
"""Others cost 100."""

INVALID = {
    "4": "its BEEF is made up and its time long past; nothing could take it",
    "12": "its BEEF is made up and its time long past: it is refused for that, and says nothing of replays",
}
"""Vectors that are invalid, and why."""


class Away:
    """A wallet that is not there."""

    async def verified(self, beef, subject, *, now, limits=None):
        raise UnreachableError("no route")


@pytest.fixture
async def shop(tmp_path, database, request) -> AsyncIterator[Shop]:
    shop = Shop(tmp_path, database, request.node.name)
    shop.keys = Keys(bytes(31) + b"\x01")
    shop.clock.now = 1_780_000_000.0
    async with shop.ledger, shop.http:
        yield shop


def vectors():
    file = FOLDER / FILE
    if not file.is_file():
        absent = pytest.mark.skip(reason=f"the public vectors are not here: {FILE} (set OVERLAY_VECTORS)")
        return [pytest.param(None, marks=absent, id=FILE)]
    return [pytest.param(vector, id=vector["id"]) for vector in json.loads(file.read_text())["vectors"]]


@pytest.mark.parametrize("vector", vectors())
async def test_the_gate(vector, shop):
    number = vector["id"].rpartition(".")[2]
    if number in INVALID:
        pytest.skip(f"vector invalid: {INVALID[number]}")
    given, expected = vector["input"], vector["expected"]
    match expected:
        case {"invoice_number": invoice}:
            key = payment_key(given["x_bsv_nonce"], suffix_of(int(given["x_bsv_time"])), shop.keys.identity)
            assert f"2-{key.protocol}-{key.key_id}" == invoice
        case {"pattern": _}:
            await check_times(shop, given)
        case {"remittance_shape": shape}:
            assert shape["derivationPrefix"] == given["x_bsv_nonce"]
            assert shape["derivationSuffix"] == suffix_of(int(given["x_bsv_time"]))
            assert shape["senderIdentityKey"] == identity_key(given["x_bsv_sender"])
        case {"auto_retry_safe": False}:
            await check_that_the_client_pays_once(shop)
        case {"status": 500}:
            await check_without_a_wallet(shop, given, expected)
        case {"status": _}:
            SimpleCounter(shop, prices=PRICES).price = 100
            check(await asked(shop, given), expected)
        case _:
            pytest.fail(f"a vector of a new shape: {sorted(expected)}")


async def asked(shop, given, headers=None):
    body = json.dumps(given["body"]).encode() if "body" in given else None
    headers = {**given["headers"], **(headers or {})}
    return await shop.http.request(given["method"], SIMPLE + given["path"], headers=headers, content=body)


def check(reply, expected):
    assert reply.status == expected["status"]
    assert expected.get("response_headers", {}).items() <= reply.headers.items()
    for name, listed in expected.get("response_headers_includes", {}).items():
        assert set(re.split(r",\s*", listed)) <= set(re.split(r",\s*", reply.headers[name]))
    if expected.get("body_empty") or expected.get("body", b"") is None:
        assert reply.body == b""


async def check_times(shop, given):
    payment = await SimpleBuyer(shop).pay(Price(100, shop.keys.identity))
    for time in given["valid_examples"]:
        assert SimplePayment.parse({**payment.headers(), "x-bsv-time": time}).time == int(time)
    for time in given["invalid_examples"]:
        with pytest.raises(VerificationError):
            SimplePayment.parse({**payment.headers(), "x-bsv-time": time})


async def check_that_the_client_pays_once(shop):
    counter, buyer = SimpleCounter(shop), SimpleBuyer(shop)
    counter.price = 100

    async def too_little(price):
        return await SimpleBuyer.pay(buyer, price, satoshis=99)

    buyer.pay = too_little
    with pytest.raises(RefusedError):
        await request_paid(shop.http, buyer, "GET", f"{SIMPLE}/content/article-42", cap=100, pause=shop.waiting)
    assert len(buyer.made) == 1


async def check_without_a_wallet(shop, given, expected):
    """With a payment in place of the vector's, which is none: what is malformed is refused by us without a wallet."""
    SimpleCounter(shop, chain=Away()).price = 100
    payment = await SimpleBuyer(shop).pay(Price(100, shop.keys.identity))
    reply = await asked(shop, given, payment.headers())
    assert (reply.status, reply.json()) == (expected["status"], expected["body"])
