"""A producer in the embedded world whose clock is moved on by hand, and what each of its commands takes."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from reconciler.apply.events import Event, Moved, Progress, Step
from reconciler.clients.http import HttpClient
from reconciler.content.digests import Digests
from reconciler.control.desired import load_desired
from reconciler.control.history import history
from reconciler.control.kept import KeptSets
from reconciler.control.planned import Planned
from reconciler.control.reconcile import Reconciler
from reconciler.control.restore import restore
from reconciler.control.source import Provenance
from reconciler.control.world import World
from reconciler.devnet.hosts import own_host
from reconciler.devnet.world import ToyWorld
from reconciler.host.extensions import Extensions
from reconciler.model.desired import DesiredState
from reconciler.model.ids import Network
from reconciler.model.networks import ENDPOINTS
from reconciler.plan.options import PlanOptions
from reconciler.store import schema
from reconciler.store.database import Database
from reconciler.wallet.keys import Keys
from reconciler.wire.http import ANSWER, Http, Reply, Streamed

_HOUR: Final = 3600
_BEGIN: Final = 1_750_000_000
"""When the first hour begins, in unix seconds."""
_OWN: Final = "http://own.embedded"
_PRODUCER: Final = Keys(sha256(b"benchmarks: a year").digest())
_ENDPOINTS: Final = ENDPOINTS[Network.EMBEDDED]
_MANIFEST: Final = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: year}
spec: {displayName: A year, network: embedded}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: hourly}
spec:
  title: As of hour HOUR
  source: {path: hourly.csv}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: sold}
spec:
  title: Rows that cost something
  source: {path: sold.csv}
  price: 500
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: still}
spec:
  title: Rows that nobody changes
  source: {path: still.csv}
"""


@dataclass(slots=True)
class Traffic:
    """Requests of one kind, and their bytes."""

    requests: int = 0
    sent: int = 0
    received: int = 0


class Gauge:
    """Satisfies wire.http.Http, and counts by host and the first word of the path."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._traffic: dict[str, Traffic] = {}

    def taken(self) -> dict[str, Traffic]:
        """What has gone through since this was last asked."""
        taken, self._traffic = self._traffic, {}
        return taken

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterable[bytes] | None = None,
        within: float = 10.0,
        limit: int = ANSWER,
    ) -> Reply:
        """See wire.http.Http.request."""
        reply = await self._http.request(method, url, headers=headers, content=content, within=within, limit=limit)
        counted = self._traffic.setdefault(_kind(url), Traffic())
        counted.requests += 1
        counted.sent += len(content) if isinstance(content, bytes) else 0
        counted.received += len(reply.body)
        return reply

    def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, within: float = 10.0
    ) -> AbstractAsyncContextManager[Streamed]:
        """See wire.http.Http.stream."""
        self._traffic.setdefault(_kind(url), Traffic()).requests += 1
        return self._http.stream(url, headers=headers, within=within)


@dataclass(slots=True, kw_only=True)
class Work:
    """What one thing took."""

    cpu: float = 0.0
    traffic: dict[str, Traffic] = field(default_factory=dict)
    signed: int = 0
    """Bytes of transactions."""

    def requests(self, kind: str = "") -> int:
        """How many there were of a kind, such as `/submit`."""
        return sum(each.requests for name, each in self.traffic.items() if kind in name)

    def sent(self, kind: str) -> int:
        """Bytes."""
        return sum(each.sent for name, each in self.traffic.items() if kind in name)

    def received(self, kind: str = "") -> int:
        """Bytes."""
        return sum(each.received for name, each in self.traffic.items() if kind in name)


class Year:
    """The embedded world of one producer, and its clock."""

    def __init__(self, folder: Path, *, fresh: bool) -> None:
        """With `fresh`, the content changes every hour as well."""
        self.folder = folder
        self.hour = 0
        self.http = HttpClient()
        self._fresh = fresh
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("hourly", "sold", "still"):
            (folder / f"{name}.csv").write_text(f"id,value\n1,{name}\n" * 50, encoding="ascii")

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """The world, for the block."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.http)
            toy = ToyWorld(
                self.folder / "world", _ENDPOINTS, http=self.http, clock=self.now, randomness=secrets.token_bytes
            )
            stack.push_async_callback(toy.close)
            for origin, app in toy.apps.items():
                self.http.mount(origin, app)
            yield

    def now(self) -> float:
        """Unix seconds."""
        return float(_BEGIN + self.hour * _HOUR)

    def pass_hour(self) -> None:
        """One field is another, an hour later."""
        self.hour += 1
        (self.folder / "producer.yaml").write_text(_MANIFEST.replace("HOUR", str(self.hour)), encoding="ascii")
        if self._fresh:
            (self.folder / "hourly.csv").write_text(f"id,value\n{self.hour},x\n" * 50, encoding="ascii")

    @property
    def databases(self) -> dict[str, Path]:
        """Every database there is, by whose it is."""
        hosts = sorted((self.folder / "world").glob("*/state.db"))
        return {
            "ours": self.folder / "state.db",
            **{path.parent.name: path for path in hosts},
            "chain": self.folder / "world" / "chain.db",
        }


class Desk:
    """One machine of the producer's: its database, its own host, and a reconciler."""

    def __init__(self, year: Year, database: Database) -> None:
        self._year = year
        self._gauge = Gauge(year.http)
        self._signed = 0
        self._own: ASGIApp = own_host(
            database,
            _ENDPOINTS,
            network=Network.EMBEDDED,
            http=year.http,
            clock=year.now,
            extensions=Extensions(),
        )
        self.database = database
        self._world = World.at(Network.EMBEDDED, _ENDPOINTS, http=self._gauge, strangers=self._gauge, own=_OWN)
        self._reconciler = Reconciler(
            world=self._world,
            database=database,
            keys=_PRODUCER,
            folder=year.folder,
            provenance=Provenance(),
            clock=year.now,
            randomness=secrets.token_bytes,
            tell=self._listen,
        )

    @classmethod
    @asynccontextmanager
    async def open(cls, year: Year, path: Path) -> AsyncIterator[Desk]:
        """With the database at a path, which is made where there is none."""
        database = Database.open(f"sqlite:///{path}")
        try:
            await schema.prepare(database)
            yield cls(year, database)
        finally:
            await database.close()

    async def apply(self) -> Work:
        """Make it so."""

        async def agree(_: Planned) -> bool:
            return True

        with self._taking() as work:
            desired = await self._desired()
            finished = await self._reconciler.apply(desired, PlanOptions(), agree=agree, halted=lambda: False)
        assert finished.applied is not None
        assert not finished.applied.undelivered
        return work

    async def plan(self, *, changes: bool) -> Work:
        """Read the manifests and compare, where it is known whether there are changes."""
        with self._taking() as work:
            planned = await self._reconciler.plan(await self._desired(), PlanOptions())
        assert planned.plan.is_empty is not changes
        return work

    async def history(self, limit: int | None = None) -> tuple[Work, int]:
        """The last versions of the root that a host shows, or all; and how many these are."""
        now = int(self._year.now())
        with self._taking() as work:
            found = await history(
                _PRODUCER.identity, None, hosts=self._world.outside, verifier=self._world.headers, now=now, limit=limit
            )
        return work, len(found.versions)

    async def rebuild(self) -> Work:
        """Everything that others give back, into this database."""
        with self._taking() as work:
            await restore(
                world=self._world,
                database=self.database,
                keys=_PRODUCER,
                index=self._world.index,
                clock=self._year.now,
                randomness=secrets.token_bytes,
            )
        return work

    @contextmanager
    def _taking(self) -> Iterator[Work]:
        self._year.http.mount(_OWN, self._own)
        self._gauge.taken()
        work, self._signed, begun = Work(), 0, time.process_time()
        yield work
        work.cpu, work.traffic, work.signed = time.process_time() - begun, self._gauge.taken(), self._signed

    async def _desired(self) -> DesiredState:
        caches = self._year.folder / "cache"
        loaded = await load_desired(
            [self._year.folder / "producer.yaml"],
            digests=Digests(caches / "digests.db"),
            network=None,
            kept=KeptSets(caches / "manifests"),
        )
        return loaded.state

    def _listen(self, event: Event | Moved | Progress) -> None:
        if isinstance(event, Event) and event.step is Step.BUILD:
            self._signed += int(event.detail.split()[-2])


def _kind(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}/{parts.path.strip('/').partition('/')[0]}"
