"""A sale under faults, by real processes: killed anywhere, its database gone, its ARC away or mad, its disk full (PROTOCOL §7).

Whatever happens: one payment a buyer, what was paid for is given for the same payment or found by its receipt, nothing is given
unpaid, and the books balance.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.model.errors import OverlayError
from reconciler.model.payment import PaymentState
from tests.bazaar import GONE, Bazaar, Purse, Running, access, eventually, opened
from tests.faults.dying import SENT
from tests.patience import PATIENCE

pytestmark = [pytest.mark.long, pytest.mark.only("sqlite")]  # what is about PostgreSQL has a server of its own

SEED = 6


@pytest.fixture
def bazaar(overlay, local) -> Iterator[Bazaar]:
    with opened(overlay, local) as bazaar:
        yield bazaar


def attempt(bazaar: Bazaar, shop: Running, purse: Purse) -> int | None:
    """One try to buy, with what was paid already; the status, None where nobody answered."""
    with suppress(OverlayError):
        return bazaar.buy(shop.url, purse, payment=purse.paid[-1] if purse.paid else None, patience=0).status
    return None


def check_bought(bazaar: Bazaar, shop: Running, *purses: Purse) -> None:
    """Each has paid once, as the chain sees it, and gets the same for it however he asks."""
    for purse in purses:
        given = bazaar.buy(shop.url, purse, payment=purse.paid[-1] if purse.paid else None)
        assert given.status == 200, given.body
        (payment,) = purse.paid
        receipt = given.json()["receipt"]
        assert (receipt["txid"], receipt["satoshis"]) == (payment.subject, 1000)
        (found,) = bazaar.ask(shop.url, purse, f"/v1/receipts?txid={payment.subject}").json()["receipts"]
        assert (found["receipt"], found["state"]) == (receipt, "live")
        again = bazaar.buy(shop.url, purse)
        assert (again.status, again.json()["receipt"], len(purse.paid)) == (200, receipt, 1)
        assert bazaar.standing(payment.subject) in {"SEEN_ON_NETWORK", "MINED"}


KILLS = {
    "before Book": None,
    "after Book pending": PaymentState.PENDING,
    SENT: PaymentState.PENDING,
    "before Note": PaymentState.PENDING,
    "after Note delivered": PaymentState.DELIVERED,
}
"""Where a gateway dies while it sells; the state in which it leaves the payment."""

KILLS_AGAIN = {
    "before Deliver": PaymentState.ACCEPTED,
    "after Deliver delivered": PaymentState.DELIVERED,
}
"""Where one dies that takes up a payment which another one has written down."""

ELSEWHERE = {
    PaymentState.UNBOOKED: "test_what_is_double_spent_after_it_was_delivered_is_unbooked_and_its_payer_blocked",
    PaymentState.REFUSED: "test_a_gateway_killed_while_it_refuses_a_payment_refuses_it_again",
}


GIVEN_BACK = {PaymentState.RETURNED, PaymentState.RETRACTED}
"""States that no payment by a request gets into: late native payments, whose refunds are journalled (tests/unit/payments)."""


def test_every_state_of_a_payment_has_its_kill():
    assert {*KILLS.values(), *KILLS_AGAIN.values(), *ELSEWHERE, *GIVEN_BACK} - {None} == set(PaymentState)
    assert all(name in globals() for name in ELSEWHERE.values())


def state_of(bazaar: Bazaar, purse: Purse) -> str | None:
    with closing(sqlite3.connect(bazaar.database, timeout=PATIENCE)) as connection:
        txid = bytes.fromhex(purse.paid[-1].subject)
        row = connection.execute("SELECT state FROM payments WHERE txid = ?", (txid,)).fetchone()
    return None if row is None else row[0]


def test_a_gateway_killed_in_each_state_of_a_payment_sells_once(bazaar):
    for dies, left in KILLS.items():
        purse = bazaar.buyer(dies)
        with bazaar.open(dies) as shop:
            assert attempt(bazaar, shop, purse) is None
            assert shop.ended() == -signal.SIGKILL
        assert state_of(bazaar, purse) == left, dies
        with bazaar.open() as shop:
            check_bought(bazaar, shop, purse)
    bazaar.audited()


def test_a_gateway_killed_while_it_takes_up_a_payment_sells_once(bazaar):
    for dies, left in KILLS_AGAIN.items():
        purse = bazaar.buyer(dies)
        for each in ("after Book pending", dies):
            with bazaar.open(each) as shop:
                assert attempt(bazaar, shop, purse) is None
                assert shop.ended() == -signal.SIGKILL
        assert state_of(bazaar, purse) == left, dies
        with bazaar.open() as shop:
            check_bought(bazaar, shop, purse)
    bazaar.audited()


def test_a_gateway_killed_at_random_instants_while_many_buy_sells_each_of_them_once(bazaar):
    dice = random.Random(SEED)
    buyers = [bazaar.buyer(f"buyer {number}") for number in range(24)]
    done = threading.Event()

    async def persist(purse: Purse, turn: asyncio.Semaphore) -> None:
        async with turn:
            while True:
                payment = purse.paid[-1] if purse.paid else None
                with suppress(OverlayError):
                    url = f"http://localhost:{bazaar.port}"
                    if (await access(url, purse, payment=payment, patience=0)).status == 200:
                        return
                await asyncio.sleep(0.05)

    async def all_of_them() -> None:
        turn = asyncio.Semaphore(4)
        await asyncio.gather(*(persist(purse, turn) for purse in buyers))

    def run() -> None:
        asyncio.run(all_of_them())
        done.set()

    with bazaar.open():
        pass  # which finds a port
    crowd = threading.Thread(target=run)
    crowd.start()
    for paying in range(
        2, len(buyers), 4
    ):  # while somebody's payment is on its way: how fast they are is the machine's affair
        with bazaar.open() as shop:
            eventually(lambda paying=paying: sum(1 for purse in buyers if purse.paid) >= paying)
            done.wait(dice.uniform(0, 0.1))
            shop.kill()
    with bazaar.open():
        crowd.join(120)
    assert done.is_set()
    with bazaar.open() as shop:
        check_bought(bazaar, shop, *buyers)
    bazaar.audited()


NONSENSE = {
    "gone": GONE,
    "500": (500, b"oh no"),
    "not JSON": (200, b"<html>hello</html>"),
    "a list": (200, b"[1,2,3]"),
    "nothing": (200, b"{}"),
    "another transaction": (200, json.dumps({"txid": "ab" * 32, "txStatus": "MINED"}).encode()),
    "an unknown status": (200, b'{"txStatus":"FINE"}'),
    "unauthorized": (401, b'{"status":401}'),
}
"""What an ARC says that is away, or out of its mind."""


def test_an_arc_that_is_away_or_mad_loses_no_payment_and_gives_nothing_away(bazaar):
    buyers = []
    with bazaar.open() as shop:
        for name, said in NONSENSE.items():
            bazaar.between.meets = lambda _, path, said=said: said if path.startswith("/v1/tx") else None
            purse = bazaar.buyer(name)
            assert attempt(bazaar, shop, purse) == 503, name
            assert state_of(bazaar, purse) == "pending"
            buyers.append(purse)
        asked = bazaar.between.asked
        bazaar.between.meets = None
        eventually(lambda: bazaar.between.asked > asked)  # it goes on by itself
        check_bought(bazaar, shop, *buyers)
    bazaar.audited()


def test_a_database_that_is_locked_in_the_middle_of_a_sale_loses_nothing(bazaar):
    purse = bazaar.buyer("patient")
    with bazaar.open() as shop, closing(sqlite3.connect(bazaar.database, isolation_level=None)) as other:
        honest = purse.pay

        async def pay(charge):
            paid = await honest(charge)
            other.execute("BEGIN IMMEDIATE")
            return paid

        purse.pay = pay
        assert attempt(bazaar, shop, purse) in {503, None}
        other.execute("ROLLBACK")
        check_bought(bazaar, shop, purse)
    bazaar.audited()


def test_a_disk_that_is_full_in_the_middle_of_a_sale_sells_nothing_and_loses_nothing(bazaar):
    """The system refuses every byte beyond the files' present ends, as a full disk does."""
    purse, other = bazaar.buyer("unlucky"), bazaar.buyer("another")
    with bazaar.open() as shop:
        check_bought(bazaar, shop, bazaar.buyer("a first one"))
        unlimited = resource.prlimit(shop.process.pid, resource.RLIMIT_FSIZE)
        honest = purse.pay

        async def pay(charge):
            paid = await honest(charge)
            resource.prlimit(shop.process.pid, resource.RLIMIT_FSIZE, (1, unlimited[1]))
            return paid

        purse.pay = pay
        assert attempt(bazaar, shop, purse) in {500, 503, None}
        assert bazaar.standing(purse.paid[-1].subject) is None  # what is not written down is not sent
        assert attempt(bazaar, shop, other) != 200
        resource.prlimit(shop.process.pid, resource.RLIMIT_FSIZE, unlimited)
        check_bought(bazaar, shop, purse, other)
    bazaar.audited()


def test_a_database_server_that_restarts_loses_no_sale(overlay, local):
    command = [sys.executable, str(Path(__file__).parents[1] / "postgresql_server.py"), "--durable"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True) as server:
        url = server.stdout.readline().strip()
        if not url:
            absent = pytest.fail if os.environ.get("OVERLAY_REQUIRE_POSTGRESQL") else pytest.skip
            absent("no PostgreSQL starts here")

        def tell(deed: str) -> None:
            server.stdin.write(deed + "\n")
            server.stdin.flush()
            assert server.stdout.readline().strip() == deed

        try:
            served = replace(overlay, state={"DATABASE_URL": url})
            served.run("db", "upgrade")
            with opened(served, local) as bazaar, bazaar.open() as shop:
                check_bought(bazaar, shop, bazaar.buyer("before"))
                purse, honest = bazaar.buyer("during"), Purse.pay

                async def pay(charge):
                    paid = await honest(purse, charge)
                    tell("stop")
                    return paid

                purse.pay = pay
                assert attempt(bazaar, shop, purse) in {500, 503, None}
                tell("start")
                check_bought(bazaar, shop, purse)
                tell("stop")
                tell("start")
                check_bought(bazaar, shop, bazaar.buyer("after"))
                bazaar.audited()
        finally:
            server.stdin.close()
            server.wait(timeout=PATIENCE)


BY_HAND = pytest.mark.parametrize("local", [("--block-time", "0")], indirect=True)
"""Blocks come when they are asked for, so that a payment can still be spent again."""


@BY_HAND
def test_what_is_double_spent_after_it_was_delivered_is_unbooked_and_its_payer_blocked(bazaar):
    purse = bazaar.buyer("thief")
    with bazaar.open("after Note unbooked") as shop:
        check_bought(bazaar, shop, purse)
        (payment,) = purse.paid
        bazaar.devnet("replace", txid=payment.subject, rawTx=purse.rival(payment).raw.hex())
        bazaar.hurry()
        assert shop.ended() == -signal.SIGKILL
    assert state_of(bazaar, purse) == "unbooked"
    with bazaar.open() as shop:
        (found,) = bazaar.ask(shop.url, purse, f"/v1/receipts?txid={payment.subject}").json()["receipts"]
        assert found["state"] == "revoked"
        refused = bazaar.buy(shop.url, purse, patience=0)
        assert (refused.status, refused.json()["code"]) == (403, "ERR_CONSUMER_BLOCKED")
        assert len(purse.paid) == 1
    bazaar.audited()


@BY_HAND
def test_a_gateway_killed_while_it_refuses_a_payment_refuses_it_again(bazaar):
    purse = bazaar.buyer("hasty")
    with bazaar.open("after Note refused") as shop:
        bazaar.between.meets = lambda _, path: GONE if path.startswith("/v1/tx") else None
        assert attempt(bazaar, shop, purse) == 503
        (payment,) = purse.paid
        bazaar.devnet("v1/tx", rawTx=purse.rival(payment).raw.hex())
        bazaar.devnet("mine")
        bazaar.between.meets = None
        bazaar.hurry()
        assert shop.ended() == -signal.SIGKILL
    assert state_of(bazaar, purse) == "refused"
    with bazaar.open() as shop:
        assert attempt(bazaar, shop, purse) == 400
        assert bazaar.standing(payment.subject) != "MINED"
        fresh = bazaar.buyer("hasty, who pays again")
        check_bought(bazaar, shop, fresh)
    bazaar.audited()
