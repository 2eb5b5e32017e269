"""A gateway of two processes: what one has begun, the other one finishes."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import time
from contextlib import asynccontextmanager
from hashlib import sha256
from itertools import islice

import httpx
import pytest

from benchmarks.material import Material
from benchmarks.paid import Stock
from benchmarks.processes import ROOT, python
from benchmarks.purchases import Purchases
from benchmarks.shop import DATASET, GATEWAY, stocked
from benchmarks.world import build_app
from reconciler.clients.http import HttpClient
from reconciler.model.errors import UnreachableError
from reconciler.wallet.keys import Keys
from reconciler.web.server import Door, serving
from reconciler.wire.conversation import Call, Peer
from reconciler.wire.payment import PAYMENT_HEADER, PaymentHeader
from tests.patience import PATIENCE

pytestmark = [pytest.mark.long, pytest.mark.only("sqlite")]

BUYER = Keys(sha256(b"a buyer of two workers").digest())


class Gate:
    """An ARC that may be made to wait before it takes a transaction."""

    def __init__(self, app):
        self._app = app
        self.arrived = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["method"] == "POST":
            self.arrived.set()
            await self.open.wait()
        await self._app(scope, receive, send)


class Gateway:
    """The process that was started, its workers, and a buyer's session with them."""

    def __init__(self, process, ready):
        self._url = ready["url"]
        self.process = process
        self.workers = tuple(ready["workers"])
        self._peer = Peer(BUYER, randomness=secrets.token_bytes)

    async def ask(self, method, target, *, body=b"", headers=None):
        """One signed request on a connection of its own; status and JSON. Raises UnreachableError."""
        call = Call(
            method=method, target=target, body=body, headers={"content-type": "application/json", **(headers or {})}
        )
        conversation = self._peer.exchange(call)
        asked = next(conversation)
        async with HttpClient() as http:
            while True:
                reply = await http.request(
                    asked.method,
                    self._url + asked.target,
                    headers=asked.headers,
                    content=asked.body,
                    within=PATIENCE,
                )
                try:
                    asked = conversation.send(reply)
                except StopIteration as ended:
                    return ended.value.status, json.loads(ended.value.body)

    async def buy(self, quantity, payment: PaymentHeader | None = None):
        headers = {} if payment is None else {PAYMENT_HEADER: payment.to_text()}
        body = b'{"quantity":%d}' % quantity
        return await self.ask("POST", f"/v1/datasets/{DATASET}/access", body=body, headers=headers)

    @asynccontextmanager
    async def without(self, *workers):
        """These take part in nothing meanwhile."""
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGCONT)


@pytest.fixture
def stock():
    material = Material("two workers")
    purchases = Purchases(purse=material.purse, seller=GATEWAY, buyer=BUYER, expires=int(time.time()) + 3600)
    return Stock(tuple(islice(purchases.payments(material.coins(3)), 3)), material)


@pytest.fixture
async def arc(stock):
    gate = Gate(build_app({str(height): root for height, root in stock.material.roots.items()}))
    async with serving([Door(app=gate, host="127.0.0.1", port=0)]) as (gate.url,):
        yield gate
        gate.open.set()


@pytest.fixture
async def gateway(arc, tmp_path):
    home = tmp_path / "home"
    await asyncio.to_thread(stocked, home, None)
    question = {"home": str(home), "database": None, "world": arc.url, "workers": 2}
    process = await asyncio.create_subprocess_exec(
        *python("benchmarks.shop", question), cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield Gateway(process, json.loads(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


async def test_a_session_is_every_workers(gateway):
    first, second = gateway.workers
    for other in (first, second, first):
        async with gateway.without(other):
            status, answer = await gateway.ask("GET", "/v1/whoami")
        assert (status, answer["identityKey"]) == (200, BUYER.identity)


async def test_what_one_worker_has_asked_for_the_other_one_takes(gateway, stock):
    first, second = gateway.workers
    async with gateway.without(second):
        assert (await gateway.buy(1))[0] == 402
    async with gateway.without(first):
        status, bought = await gateway.buy(1, stock.payments[0])
    async with gateway.without(second):
        again = await gateway.buy(1, stock.payments[0])
        held = await gateway.buy(1)
    assert status == again[0] == held[0] == 200
    assert bought["receipt"] == again[1]["receipt"] == held[1]["receipt"]
    assert bought["receipt"]["txid"] == stock.payments[0].subject


async def test_workers_that_are_killed_in_the_middle_of_a_sale_cost_their_buyer_nothing(gateway, stock, arc):
    arc.open.clear()
    buying = asyncio.create_task(gateway.buy(2, stock.payments[1]))
    async with asyncio.timeout(PATIENCE):
        await arc.arrived.wait()
    for worker in gateway.workers:
        os.kill(worker, signal.SIGKILL)
    with pytest.raises(UnreachableError):
        await buying
    arc.open.set()
    status, bought = await gateway.buy(2, stock.payments[1])  # by whoever was started in their place
    assert (status, bought["receipt"]["txid"]) == (200, stock.payments[1].subject)
    assert (await gateway.buy(2, stock.payments[1]))[1]["receipt"] == bought["receipt"]
    assert (await gateway.buy(2))[1]["receipt"] == bought["receipt"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_starts_as_many_as_it_is_told_and_leaves_none(overlay, producer, number):
    overlay.folder, overlay.home = producer.folder, producer.home
    overlay.run("apply", "--yes")
    with overlay.started("serve", "--port", "0", "--workers", "2") as server:
        assert server.ready["event"] == "ready"
        workers = server.ready["workers"]
        assert len(set(workers)) == 2
        shown = httpx.get(f"{server.ready['url']}/metrics").text
        assert "overlay_generation 1.0" in shown
        assert "overlay_leaders 1.0" in shown
        assert server.stop(number) == 0
        assert server.log.read_text() == ""
    for pid in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
