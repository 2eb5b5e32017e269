"""AuthFetch, with a wallet that makes real transactions, buys from `overlay serve`: it pays once, whatever it is answered. So does PacketPay.

What is counted is what its wallet has signed, and what the chain says of its coins.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from reconciler.wire.script import p2pkh
from tests.bazaar import CONTENT, GONE, PRICE, Bazaar, Between, eventually, opened
from tests.paying import keys_of

pytestmark = pytest.mark.long

BUYER = keys_of("AuthFetch at the bazaar")
ACCESS = {
    "path": "/v1/datasets/sold/access",
    "method": "POST",
    "headers": {"content-type": "application/json"},
    "body": "{}",
}
PLAINTEXT = {"path": "/v1/datasets/sold/content"}


@pytest.fixture
def bazaar(overlay, local) -> Iterator[Bazaar]:
    with opened(overlay, local) as bazaar:
        yield bazaar


@pytest.fixture
def front(bazaar) -> Iterator[Between]:
    """Between AuthFetch and the gateway."""
    front = Between("")
    yield front
    front.close()


@pytest.fixture
def buy(run_peer, bazaar, front):
    """AuthFetch takes the steps with three coins to spend: its answers, once it was seen that one was spent and no more."""

    def buy(url: str, *steps, program="buyer.mjs"):
        front.target = url
        locking = p2pkh(BUYER.identity).hex()
        coins = []
        for _ in range(3):
            wish = {"lockingScript": locking, "satoshis": 10 * PRICE}
            coins.append(httpx.post(f"{bazaar.arc}/faucet", json=wish).raise_for_status().json())
        paths = [step["path"] for step in steps]
        question = {"origin": front.url, "key": BUYER.secret().hex(), "coins": coins, "steps": steps, "paths": paths}
        told = run_peer(program, question)
        spent = [httpx.get(f"{bazaar.arc}/tx/{coin['txid']}/{coin['vout']}/spent").status_code for coin in coins]
        assert len(told["made"]) == 1, told
        assert bazaar.standing(told["made"][0]) in {"SEEN_ON_NETWORK", "MINED"}
        assert spent == [200, 404, 404]
        return told["answers"]

    return buy


def check_served(answer, paid: int = PRICE) -> None:
    assert answer["status"] == 200, answer
    assert json.loads(answer["body"])["receipt"]["satoshis"] == paid


def test_authfetch_pays_downloads_and_asks_again_for_nothing(bazaar, buy):
    with bazaar.open() as shop:
        access, content, again, part = buy(
            shop.url, ACCESS, PLAINTEXT, ACCESS, {**PLAINTEXT, "path": PLAINTEXT["path"] + "?"}
        )
        check_served(access)
        given = json.loads(access["body"])
        assert content["status"] == 200
        assert content["body"].encode() == CONTENT
        assert json.loads(again["body"])["receipt"] == given["receipt"]
        assert part["status"] == 200
        plain = httpx.get(
            given["urls"][0].replace(httpx.URL(given["urls"][0]).netloc.decode(), httpx.URL(shop.url).netloc.decode())
        )
        assert plain.content == CONTENT
    bazaar.audited()


def test_authfetch_buys_small_content_by_asking_for_it(bazaar, buy):
    with bazaar.open() as shop:
        content, access = buy(shop.url, PLAINTEXT, ACCESS)
        assert content["body"].encode() == CONTENT
        check_served(access)
    bazaar.audited()


def test_authfetch_pays_the_price_that_it_was_quoted_though_that_has_risen(bazaar, front, buy):
    raised = []

    def raise_it(method, path, status):
        if status == 402 and not raised:
            raised.append(True)
            manifest = bazaar.overlay.folder / "producer.yaml"
            manifest.write_text(manifest.read_text().replace(f"price: {PRICE}", f"price: {5 * PRICE}"))
            bazaar.publish_again()
            eventually(lambda: bazaar.price(front.target) == 5 * PRICE)

    front.then = raise_it
    with bazaar.open() as shop:
        (access,) = buy(shop.url, ACCESS)
        check_served(access)
        assert raised
    bazaar.audited()


def test_authfetch_whose_payment_is_pending_asks_a_restarted_gateway_again_and_has_it(bazaar, front, buy):
    with ExitStack() as stack:
        shops = [stack.enter_context(bazaar.open())]
        bazaar.between.meets = lambda _, path: GONE if path.startswith("/v1/tx") else None

        def restart(method, path, status):
            if status == 503 and len(shops) == 1:
                shops[0].kill()
                bazaar.between.meets = None
                shops.append(stack.enter_context(bazaar.open()))

        front.then = restart
        pending, access = buy(shops[0].url, ACCESS, ACCESS)
        assert (pending["status"], json.loads(pending["body"])["code"]) == (503, "ERR_PAYMENT_PENDING")
        check_served(access)
        assert len(shops) == 2
    bazaar.audited()


@pytest.mark.parametrize("lost", ["answer", "request"])
def test_authfetch_whose_connection_breaks_while_it_pays_has_it_for_the_same_payment(bazaar, front, buy, lost):
    cut = threading.Event()
    asked = []

    def cuts(path: str) -> bool:
        """The second time that access is asked for, which is with the payment."""
        if path != ACCESS["path"] or cut.is_set():
            return False
        asked.append(path)
        if len(asked) == 2:
            cut.set()
        return cut.is_set()

    if lost == "answer":
        front.then = lambda _, path, __: GONE if cuts(path) else None
    else:
        front.meets = lambda _, path: GONE if cuts(path) else None
    with bazaar.open() as shop:
        answers = buy(shop.url, ACCESS, ACCESS)
        assert cut.is_set()
        check_served(answers[-1])
    bazaar.audited()


def test_authfetch_pays_once_where_workers_take_turns(bazaar, buy):
    with bazaar.open("never", "--workers", "2") as shop:
        answers = buy(shop.url, *[ACCESS] * 6)
        assert len({json.loads(answer["body"])["receipt"]["id"] for answer in answers}) == 1
        check_served(answers[0])
    bazaar.audited()


def test_packetpay_buys_over_authrite_and_asks_again_for_nothing(bazaar, buy):
    with bazaar.open() as shop:
        access, again = buy(shop.url, ACCESS, ACCESS, program="packetpay.mjs")
        check_served(access)
        receipt = json.loads(access["body"])["receipt"]
        assert (receipt["method"], receipt["buyer"]) == ("brc41", BUYER.identity)
        assert json.loads(again["body"])["receipt"] == receipt
    bazaar.audited()
