"""Storage that costs something, through the command and over TCP: what the producer pays is what the storage hosts earn."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from reconciler.chain.arc import Arc
from reconciler.chain.headers import Headers
from reconciler.chain.index import AddressIndex
from reconciler.clients.http import HttpClient
from reconciler.model.payment import PaymentState
from reconciler.storage.purse import Purse
from reconciler.store.coins import Coins
from reconciler.store.database import Database
from reconciler.store.payments import Payment, Payments
from reconciler.wallet.keys import Keys
from tests.integration.test_storage_payments import PRICE, RULE
from tests.patience import PATIENCE

pytestmark = pytest.mark.long

GOODS = 4
"""Two datasets with two copies each; the smallest price is 10 satoshis."""


def hosts(overlay) -> list[Path]:
    """The databases of the storage hosts that were paid."""
    return sorted((overlay.home / "local" / "world").glob("storage-*/state.db"))


async def taken(path: Path) -> tuple[Payment, ...]:
    """The payments that a storage host has accepted."""
    database = Database.open(f"sqlite:///{path}")
    try:
        async with database.reading() as connection:
            return await Payments(connection).earned()
    finally:
        await database.close()


def proven(overlay) -> list[Payment]:
    """What all storage hosts were paid, once the last payment is in a block: hosts look for that by themselves."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = [payment for path in hosts(overlay) for payment in asyncio.run(taken(path))]
        if found and all(payment.height is not None for payment in found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


async def put_in_purse(path: Path, arc: str) -> int:
    """What was paid to a host and is in its purse, in satoshis, once all was taken over.

    The host has done that for some of it, and may have spent it on an advertisement.
    """
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(HttpClient())
        database = Database.open(f"sqlite:///{path}")
        stack.push_async_callback(database.close)
        purse = Purse(
            database=database,
            signer=Keys(bytes(31) + b"\x01"),
            miner=Arc(http, arc),
            chain=Headers(http, arc),
            archive=AddressIndex(http, arc),
            funder=None,
        )

        await purse.earn()
        async with database.reading() as connection:
            paid = [payment.coin.outpoint for payment in await Payments(connection).earned() if payment.coin]
            return sum(coin.satoshis for coin in (await Coins(connection).get(paid)).values())


@pytest.mark.parametrize("local", [("--storage-price", str(PRICE))], indirect=True)
def test_what_an_apply_pays_over_tcp_is_what_storage_hosts_earn_and_an_idle_apply_pays_nothing(overlay, local):
    with (overlay.folder / "producer.yaml").open("a") as manifest:
        manifest.write(RULE)
    planned = overlay.run("plan", "--detailed-exitcode", "--out", "kept.plan", code=2)
    assert "storage" in planned.stdout
    plan = json.loads((overlay.folder / "kept.plan").read_text())["body"]
    assert (plan["cost"]["storage_satoshis"], len(plan["purchases"])) == (GOODS * 10, GOODS)

    overlay.run("apply", "kept.plan", "--yes")

    overlay.run("plan", "--detailed-exitcode")
    audited = overlay.json("wallet", "audit")
    assert (audited["balanced"], audited["differences"], audited["storage"]) == (True, [], GOODS * 10)
    status = overlay.json("status")
    assert (status["replicas"], status["paidStorage"]) == (GOODS, [])
    assert status["journal"]["state"] in {"seen", "mined"}

    assert "No changes." in overlay.run("apply", "--yes").stdout
    assert overlay.json("wallet", "audit")["storage"] == GOODS * 10

    found = proven(overlay)
    assert Counter(payment.state for payment in found) == {PaymentState.DELIVERED: GOODS}
    assert sum(payment.satoshis for payment in found) == audited["storage"]
    producer = overlay.json("identity", "show")["identityKey"]
    assert {payment.buyer for payment in found} == {producer}

    assert local.stop() == 0
    earned = {path.parent.name: asyncio.run(put_in_purse(path, local.ready["arc"])) for path in hosts(overlay)}
    assert sum(earned.values()) == audited["storage"]
    assert sorted(earned.values()) == [0, 20, 20]
