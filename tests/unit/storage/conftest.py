"""A storage host with its purse, a real embedded chain and an overlay host, spoken to over HTTP in-process."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx
import pytest

from reconciler.chain.arc import Arc
from reconciler.chain.faucet import Faucet
from reconciler.chain.headers import Headers
from reconciler.chain.index import AddressIndex
from reconciler.chain.ledger import Ledger
from reconciler.clients.auth import AuthenticatedHttp
from reconciler.clients.host import HostClient
from reconciler.clients.http import HttpClient
from reconciler.clients.storage import StorageClient
from reconciler.devnet.arc import build_app as build_arc
from reconciler.host.app import build_app as build_host
from reconciler.host.lookups.uhrp import UhrpLookup
from reconciler.host.topics.uhrp import UhrpTopic
from reconciler.model.errors import UnreachableError
from reconciler.model.ids import Digest
from reconciler.payments.till import Till
from reconciler.storage.advertise import Advertiser
from reconciler.storage.app import build_app
from reconciler.storage.bucket import Bucket
from reconciler.storage.disk import Disk
from reconciler.storage.keeper import Keeper
from reconciler.storage.s3 import S3
from reconciler.storage.terms import Prices
from reconciler.store.database import Database
from reconciler.store.replays import Replays
from reconciler.wallet.keys import Keys
from reconciler.wire import uhrp
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.http import Reply

ARC = "http://arc.embedded"
HOST = "http://public.embedded"
STORAGE = "http://storage-eu.embedded"
SIGNED = ("/upload", "/find", "/list", "/renew")
"""Where the host wants to know who asks."""


@dataclass
class Clock:
    """Time that passes when told to."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Gifts:
    """The faucet as a funder, which counts, and can be shut."""

    def __init__(self, faucet: Faucet) -> None:
        self._faucet = faucet
        self.given = 0
        self.shut = False

    async def fund(self, address: str, satoshis: int) -> bytes:
        if self.shut:
            raise UnreachableError("the faucet is shut")
        self.given += 1
        gift = await self._faucet.fund(address, satoshis)
        return gift.beef.to_atomic(gift.txid)


class CountingMiner(Arc):
    """Counts what is sent."""

    sent = 0

    async def submit(self, beef, subject=None):
        CountingMiner.sent += 1
        return await super().submit(beef, subject)


class World:
    """Everything a storage host needs, and the host."""

    def __init__(self, folder: Path, databases: dict[str, Database], name: str) -> None:
        self._numbers = count()
        self._name = name
        self.folder = folder
        self.clock = Clock()
        self.databases = databases
        self.ledger = Ledger(folder / "chain.db", clock=self.clock, randomness=self.randomness, block_time=0)
        self.http = HttpClient(apps={ARC: build_arc(ledger=self.ledger, clock=self.clock)})
        self.headers = Headers(self.http, ARC)
        self.miner = CountingMiner(self.http, ARC)
        CountingMiner.sent = 0
        self.keys = Keys(hashlib.sha256(name.encode()).digest())
        self.gifts = Gifts(Faucet(self.http, ARC))
        self.host = HostClient(self.http, HOST)
        self.client = self.client_of("uploader")
        self.http.mount(
            HOST,
            build_host(
                database=databases["host"],
                headers=self.headers,
                arc=self.miner,
                clock=self.clock,
                topics=[UhrpTopic(plain_http=True)],
                lookups=[UhrpLookup()],
            ),
        )
        self.serve()

    def randomness(self, size: int) -> bytes:
        return hashlib.shake_256(f"{self._name} {next(self._numbers)}".encode()).digest(size)

    def serve(self, *, hosts: list[object] | None = None, bucket: Bucket | None = None, **more: object) -> None:
        """Put a storage host over the database; again is as if it had been restarted."""
        self.bucket = bucket or Disk(self.folder / "files")
        self.advertiser = Advertiser(
            database=self.databases["storage"],
            signer=self.keys,
            miner=self.miner,
            chain=self.headers,
            archive=AddressIndex(self.http, ARC),
            hosts=[self.host] if hosts is None else hosts,
            funder=self.gifts,
            plain_http=True,
        )
        self.keeper = Keeper(
            database=self.databases["storage"],
            bucket=self.bucket,
            advertiser=self.advertiser,
            base_url=STORAGE,
            clock=self.clock,
            randomness=self.randomness,
        )
        self.till = Till(
            database=self.databases["storage"],
            receiver=self.keys,
            miner=self.miner,
            chain=self.headers,
            clock=self.clock,
            randomness=self.randomness,
        )
        app = build_app(
            keeper=self.keeper,
            keys=self.keys,
            replays=Replays(self.databases["storage"]),
            till=self.till,
            clock=self.clock,
            randomness=self.randomness,
            **{"prices": Prices(), **more},
        )
        self.http.mount(STORAGE, app)

    def client_of(self, name: str) -> StorageClient:
        """A client of the storage host's that has a key of its own."""
        keys = Keys(hashlib.sha256(f"{self._name} {name}".encode()).digest())
        return StorageClient(self.http, STORAGE, signed=AuthenticatedHttp(self.http, keys, randomness=self.randomness))

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content: bytes | None = None,
        by: StorageClient | None = None,
        **headers,
    ) -> Reply:
        """One exchange with the storage host, signed where it wants that."""
        content = json.dumps(body).encode() if content is None and body is not None else content
        url = path if path.startswith("http") else STORAGE + path
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        http = (by or self.client)._signed if path.startswith(SIGNED) else self.http
        return await http.request(method, url, content=content, headers=named)

    async def upload_url(self, size: int, minutes: int = 60) -> str:
        reply = await self.ask("POST", "/upload", {"fileSize": size, "retentionPeriod": minutes})
        assert reply.status == 200, reply.body
        return reply.json()["uploadURL"]

    async def store(self, data: bytes, minutes: int = 60) -> int:
        return await self.client.upload(
            chunks_of(data), size=len(data), sha256=sha256_hex(data), minutes=minutes, media_type="text/csv"
        )

    def lying(self) -> list[Path]:
        """The files that hold content."""
        return [path for path in (self.folder / "files").rglob("*") if path.is_file()]

    async def adverts(self, content: Digest) -> list[uhrp.UhrpToken]:
        """What the overlay says about some content; every token is checked as a stranger would."""
        self.clock.now += 2
        tokens = []
        for found in await self.host.lookup("ls_uhrp", {"uhrpUrl": uhrp.url_of(content)}):
            await self.headers.verified(found.beef, found.outpoint.txid, now=int(self.clock()))
            tokens.append(uhrp.check(found.transaction, found.outpoint.vout, plain_http=True))
        return tokens


async def chunks_of(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


class Moto:
    """An S3 that speaks HTTP on loopback, and one bucket in it for each test."""

    def __init__(self, endpoint: str, name: str) -> None:
        self._endpoint = endpoint
        self._name = f"test-{hashlib.sha256(name.encode()).hexdigest()[:20]}"
        httpx.put(f"{endpoint}/{self._name}", trust_env=False).raise_for_status()

    def bucket(self, *, name: str | None = None, prefix: str = "", **more) -> Bucket:
        options = {"endpoint": self._endpoint, "region": "us-east-1", **more}
        return S3(name or self._name, prefix=prefix, **options)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server, request, monkeypatch) -> Moto:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "something")
    return Moto(s3_server, request.node.name)


@pytest.fixture
async def world(tmp_path, migrated, database, request) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        file = shutil.copy(migrated, tmp_path / "host.db")
        databases = {"host": Database.open(f"sqlite:///{file}"), "storage": database}
        stack.push_async_callback(databases["host"].close)
        world = World(tmp_path, databases, request.node.name)
        await stack.enter_async_context(world.ledger)
        await stack.enter_async_context(world.http)
        yield world


@pytest.fixture
def content(request) -> bytes:
    """Some thousands of bytes of this test's own."""
    return hashlib.shake_256(request.node.name.encode()).digest(5000)


@pytest.fixture
def make_world() -> type[World]:
    """For tests that open the same world several times."""
    return World
