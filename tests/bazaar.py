"""A producer who sells over TCP, as processes: the world, a gateway that can be killed, an ARC that can be away, and buyers.

What is promised of a sale is counted where it cannot be talked away: at the chain, and in the gateway's database.
"""

from __future__ import annotations

import asyncio
import json
import select
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx

from reconciler.clients.auth import AuthenticatedHttp
from reconciler.clients.http import HttpClient
from reconciler.clients.payment import PayingHttp
from reconciler.model.amounts import Satoshis
from reconciler.model.keys import FUNDING_KEY
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.wire.beef import Beef, BeefTx, merge, parse_beef
from reconciler.wire.http import Reply
from reconciler.wire.payment import Charge, PaymentHeader
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import Transaction, TxOutput
from tests.patience import PATIENCE
from tests.paying import keys_of

PRICE: Final = 1000
FEE: Final = 100
GOOD: Final = "sold"
CONTENT: Final = b"id,value\n" + b"".join(b"%d,%d\n" % (row, row * row) for row in range(2000))

SOLD: Final = f"""
---
apiVersion: overlay/v1
kind: PaymentRule
metadata: {{name: standard}}
spec: {{http: {{min: 1, max: 100000, window: 1h}}}}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {{name: {GOOD}}}
spec: {{source: {{path: sold.csv}}, title: Sold, price: {PRICE}, paymentRule: standard}}
"""

_START: Final = "import sys; from tests.faults.dying import install; install(sys.argv.pop(1)); from reconciler.cli.main import run; run()"


class Between:
    """Stands between a server and who asks it, on a port of its own.

    `meets`, given method and path, may answer in the server's place: status and body, or nothing. `then` is told what the server
    has answered, with what status, before that is passed on, and may keep it.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.meets: Callable[[str, str], tuple[int, bytes] | None] | None = None
        self.then: Callable[[str, str, int], tuple[int, bytes] | None] | None = None
        self.asked = 0
        asked = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                asked.asked += 1
                length = int(self.headers.get("content-length", 0))
                body = self.rfile.read(length)
                with suppress(OSError):
                    self._answer(body)

            do_POST = do_GET  # noqa: N815 - http.server's name

            def _answer(self, body: bytes) -> None:
                met = None if asked.meets is None else asked.meets(self.command, self.path)
                headers = {"content-type": "application/json"}
                if met is None:
                    reply = self._passed_on(body)
                    met, headers = (reply.status_code, reply.content), _kept(reply.headers)
                    kept = None if asked.then is None else asked.then(self.command, self.path, reply.status_code)
                    met = met if kept is None else kept
                if met == GONE:
                    self.close_connection = True
                    return
                self.send_response_only(met[0])
                for name, value in {**headers, "content-length": str(len(met[1]))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(met[1])

            def _passed_on(self, body: bytes) -> httpx.Response:
                url = asked.target + self.path
                return httpx.request(self.command, url, headers=_kept(self.headers), content=body, timeout=PATIENCE)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOPS}


_HOPS: Final = frozenset({"host", "content-length", "connection", "accept-encoding", "transfer-encoding"})
GONE: Final = (0, b"")
"""What `meets` says to have the connection closed."""


class Purse:
    """Coins of one buyer. Satisfies clients.payment.Payer."""

    def __init__(self, arc: str, name: str) -> None:
        self._arc = arc
        self.keys = keys_of(name)
        self.paid: list[PaymentHeader] = []

    async def coin(self, satoshis: int) -> tuple[Spendable, Beef]:
        locking = p2pkh(self.keys.public(FUNDING_KEY)).hex()
        async with httpx.AsyncClient(trust_env=False) as client:
            reply = await client.post(f"{self._arc}/faucet", json={"lockingScript": locking, "satoshis": satoshis})
        said = reply.raise_for_status().json()
        beef, _ = parse_beef(bytes.fromhex(said["beef"]))
        transaction = beef.transactions[said["txid"]].transaction
        outpoint = transaction.outpoint(said["vout"])
        return Spendable(outpoint, transaction.outputs[said["vout"]], FUNDING_KEY, Lock.P2PKH), beef

    async def pay(self, charge: Charge) -> PaymentHeader:
        money, beef = await self.coin(charge.satoshis + FEE)
        suffix = "c3VmZml4"
        key = PaymentHeader.key(_Named(charge.prefix, suffix), charge.recipient)
        transaction = signed([money], [TxOutput(charge.satoshis, p2pkh(self.keys.public_for(key)))], self.keys)
        parents = [replace(entry, bump=None) for entry in beef.transactions.values()]
        whole = merge([beef, Beef.of((), [*parents, BeefTx(transaction)])])
        payment = PaymentHeader(charge.prefix, suffix, whole, transaction.txid)
        self.paid.append(payment)
        return payment

    def rival(self, payment: PaymentHeader) -> Transaction:
        """Another transaction that spends the payment's coin, back to its owner."""
        spent = payment.beef.transactions[payment.subject].transaction.inputs[0].outpoint
        output = payment.beef.transactions[spent.txid].transaction.outputs[spent.vout]
        money = Spendable(spent, output, FUNDING_KEY, Lock.P2PKH)
        back = TxOutput(Satoshis(output.satoshis - 2 * FEE), p2pkh(self.keys.public(FUNDING_KEY)))
        return signed([money], [back], self.keys)


class _Named:
    """As much of a payment as names its key."""

    def __init__(self, prefix: str, suffix: str) -> None:
        self.prefix = prefix
        self.suffix = suffix


@dataclass
class Running:
    """A gateway's process."""

    process: subprocess.Popen[str]
    url: str

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=PATIENCE)

    def ended(self) -> int:
        """The signal, negative, or code by which it has ended by itself."""
        return self.process.wait(timeout=PATIENCE)


@dataclass
class Bazaar:
    """One producer, whose dataset is sold."""

    overlay: Any
    world: Mapping[str, Any]
    between: Between
    port: int = 0
    _runs: int = 0
    shops: list[Running] = field(default_factory=list)

    @property
    def arc(self) -> str:
        """The world's own."""
        return str(self.world["arc"])

    def publish(self) -> None:
        """Apply, with an ARC that the gateway will reach through `between`."""
        manifest = self.overlay.folder / "producer.yaml"
        text = manifest.read_text().replace(json.dumps(self.arc), json.dumps(self.between.url), 1)
        assert self.between.url in text
        manifest.write_text(text + SOLD)
        (self.overlay.folder / "sold.csv").write_bytes(CONTENT)
        self.publish_again()

    def publish_again(self) -> None:
        """Apply what the manifest says now; by a process of its own, since whoever asks may run beside the test."""
        command = [sys.executable, "-c", "from reconciler.cli.main import run; run()", "apply", "--yes"]
        done = subprocess.run(
            command,
            cwd=self.overlay.folder,
            env=self.overlay.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def price(self, url: str) -> Any:
        """What the catalog asks."""
        answer = httpx.get(f"{url}/v1/catalog/dataset/{GOOD}")
        return answer.json()["price"]["satoshis"] if answer.is_success else None

    @contextmanager
    def open(self, dies: str = "never", *arguments: str) -> Iterator[Running]:
        """A gateway, always at the same port; killed at the end of the block if it still runs. `dies`: see tests/faults/dying.py."""
        self._runs += 1
        log = self.overlay.home.parent / f"gateway-{self._runs}.log"
        command = [
            sys.executable,
            "-c",
            _START,
            dies,
            "serve",
            "--network",
            "local",
            "--port",
            str(self.port),
            "--json",
        ]
        environment = {**self.overlay.environment(), "PYTHONPATH": str(Path(__file__).parents[1])}
        with (
            log.open("w+") as errors,
            subprocess.Popen(
                [*command, *arguments],
                cwd=self.overlay.folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process,
        ):
            try:
                told = select.select([process.stdout], [], [], 90)[0] and process.stdout.readline()
                assert told, log.read_text()
                url = json.loads(told)["url"]
                self.port = int(url.rpartition(":")[2])
                yield Running(process, url)
            finally:
                process.kill()

    def buyer(self, name: str) -> Purse:
        return Purse(self.arc, f"{self.overlay.home} {name}")

    def buy(self, url: str, purse: Purse, *, payment: PaymentHeader | None = None, patience: float = 30.0) -> Reply:
        """Access to the good, paid for at most once."""
        return asyncio.run(access(url, purse, payment=payment, patience=patience))

    def ask(self, url: str, purse: Purse, path: str) -> Reply:
        """An authenticated GET."""

        async def ask() -> Reply:
            async with HttpClient() as http:
                return await AuthenticatedHttp(http, purse.keys).request("GET", url + path)

        return asyncio.run(ask())

    def standing(self, txid: str) -> str | None:
        """What the chain itself says of a transaction."""
        reply = httpx.get(f"{self.arc}/v1/tx/{txid}")
        return None if reply.status_code == 404 else str(reply.json()["txStatus"])

    def devnet(self, deed: str, **wish: Any) -> None:
        httpx.post(f"{self.arc}/{deed}", json=wish).raise_for_status()

    def hurry(self) -> None:
        """The gateway looks at its payments every minute; now it is time for all of them."""
        with sqlite3.connect(self.database, timeout=PATIENCE) as connection:
            connection.execute("UPDATE payments SET next_look = '2000-01-01 00:00:00'")
        connection.close()

    @property
    def database(self) -> Path:
        """The gateway's, where that is a file."""
        return Path(self.overlay.home) / "local" / "state.db"

    def audited(self) -> Any:
        """The books, which balance."""
        found = self.overlay.json("wallet", "audit")
        assert found["balanced"], found
        return found


@contextmanager
def opened(overlay: Any, world: Any) -> Iterator[Bazaar]:
    """A bazaar in the local `world` (a tests.conftest.Server), whose goods are published."""
    between = Between(str(world.ready["arc"]))
    try:
        bazaar = Bazaar(overlay, world.ready, between)
        bazaar.publish()
        yield bazaar
    finally:
        between.close()


async def access(
    url: str, purse: Purse, *, payment: PaymentHeader | None = None, patience: float = 30.0, good: str = GOOD
) -> Reply:
    """See Bazaar.buy."""
    async with HttpClient() as http:
        paying = PayingHttp(AuthenticatedHttp(http, purse.keys), purse, cap=Satoshis(PRICE), patience=patience)
        headers = {"content-type": "application/json"}
        return await paying.request(
            "POST", f"{url}/v1/datasets/{good}/access", headers=headers, content=b"{}", payment=payment
        )


def eventually(ask: Callable[[], Any], *, within: float = PATIENCE) -> Any:
    """What is true some time soon; nobody says when."""
    deadline = time.monotonic() + within
    while not (found := ask()):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found
