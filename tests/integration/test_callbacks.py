"""A proof arrives because ARC calls back: applied over TCP in the local world, and nobody asks for it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.cli.wiring import callback_token
from reconciler.clients.http import HttpClient
from reconciler.devnet.hosts import own_host
from reconciler.devnet.ports import local_endpoints
from reconciler.gateway.app import build_app
from reconciler.host.extensions import Extensions
from reconciler.model.ids import Network
from reconciler.model.keys import GATEWAY_KEY
from reconciler.store.database import Database
from reconciler.store.host_transactions import HostTransactions
from reconciler.store.published import Published
from reconciler.store.transactions import Transactions
from reconciler.wallet.keys import Keys
from reconciler.web.server import Door, serving
from tests.delivering import Contents
from tests.patience import PATIENCE

pytestmark = [pytest.mark.long, pytest.mark.only("sqlite")]

COMMAND = (sys.executable, "-c", "from reconciler.cli.main import run; run()")


class Watched:
    """An app, and what came to /arc-ingest of it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.calls: asyncio.Queue[tuple[int, dict]] = asyncio.Queue()
        self.tokens = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/arc-ingest":
            await self.app(scope, receive, send)
            return
        body, status = b"", 0
        self.tokens.update(value for name, value in scope["headers"] if name == b"authorization")

        async def listen():
            nonlocal body
            message = await receive()
            body += message.get("body", b"")
            return message

        async def say(message):
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self.app(scope, listen, say)
        self.calls.put_nowait((status, json.loads(body)))


def test_both_sides_know_the_same_token_and_nobody_else_does():
    producer, elsewhere, stranger = (Keys(bytes([number]) * 32) for number in (1, 2, 3))

    for gateway in (producer.child(GATEWAY_KEY), elsewhere):
        token = callback_token(producer, gateway.identity)
        assert token == callback_token(gateway, producer.identity)
        assert len(token) == 64
        assert token not in {
            callback_token(stranger, gateway.identity),
            callback_token(stranger, producer.identity),
            callback_token(producer, stranger.identity),
        }


async def test_a_mined_transaction_is_proven_by_callback_alone(local, overlay, base_port):
    port = base_port + 15
    text = (overlay.folder / "producer.yaml").read_text()
    gateway = f"  gateway: {{url: 'http://localhost:{port}'}}\n"
    (overlay.folder / "producer.yaml").write_text(text.replace("spec:\n", "spec:\n" + gateway, 1))
    await command(overlay, "apply", "--yes")  # the first: makes key and database
    keys = Keys(bytes.fromhex((overlay.home / "identity.key").read_text().strip()))
    token = callback_token(keys, keys.child(GATEWAY_KEY).identity)
    database = Database.open(f"sqlite:///{overlay.home / 'local' / 'state.db'}")
    async with HttpClient() as http:
        own = own_host(
            database,
            local_endpoints(base_port),
            network=Network.LOCAL,
            http=http,
            clock=time.time,
            extensions=Extensions(),
            callback_token=token,
        )
        app = Watched(
            build_app(
                database=database,
                identity=keys.identity,
                host=own,
                keys=None,
                contents=Contents(),
                clock=time.time,
                randomness=lambda size: b"\1" * size,
            )
        )
        async with serving([Door(app=app, host="localhost", port=port)]):
            (overlay.folder / "data" / "c.csv").write_text("id,value\n1,c\n")
            await command(overlay, "apply", "--yes")
            async with database.reading() as connection:
                root = (await Published(connection).root()).record.outpoint.txid
            async with asyncio.timeout(PATIENCE):
                while True:
                    status, report = await app.calls.get()
                    assert status == 200
                    if report["txid"] == root and report["txStatus"] == "MINED":
                        break
        assert app.tokens == {f"Bearer {token}".encode()}
        async with database.reading() as connection:
            stored = await Transactions(connection).get(root)
            hosted = (await HostTransactions(connection).get([root]))[root]
    assert stored.proof is not None
    assert hosted.proof.root == stored.proof.root(root)
    log = local.log.read_text() + "".join(path.read_text() for path in overlay.home.glob("**/*.log"))
    assert token not in log
    await database.close()


async def command(overlay, *arguments):
    """A process of its own, as the gateway runs in this one."""
    ran = await asyncio.to_thread(
        subprocess.run,
        [*COMMAND, "-C", str(overlay.folder), *arguments, "--debug"],
        env=overlay.environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
