"""A toy world: chain and ARC, a public host, three storage hosts in different regions, each with state of its own.

Embedded and local are this one world at different addresses. Its folder is somebody else's in real life, and nothing but
these servers reads it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp

from reconciler.chain.ledger import Ledger
from reconciler.devnet.arc import build_app as build_arc
from reconciler.devnet.hosts import public_host
from reconciler.devnet.lazy import LazyApp
from reconciler.devnet.storage import storage_host
from reconciler.model.desired import StorageHost
from reconciler.model.ids import Network
from reconciler.model.networks import Endpoints
from reconciler.storage.disk import Disk
from reconciler.storage.terms import Prices
from reconciler.store.database import Database
from reconciler.store.schema import upgrade
from reconciler.wallet.keys import Keys
from reconciler.wire.http import Http

BLOCK_SECONDS: Final = 1.0
"""How long after a transaction the chain mines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often servers that run for long look after their proofs and files, in seconds; None: only when spoken to."""

    proofs: float | None = None
    sweep: float | None = None


class ToyWorld:
    """Builds each server when it is first spoken to; `apps` are all of them by origin."""

    def __init__(
        self,
        folder: Path,
        endpoints: Endpoints,
        *,
        http: Http,
        clock: Callable[[], float],
        randomness: Callable[[int], bytes],
        block_time: float | None = None,
        pace: Pace | None = None,
        storage_price: int = 0,
    ) -> None:
        """`block_time` in seconds, BLOCK_SECONDS by default; `storage_price` in satoshis for a gigabyte and month, at each of the storage hosts."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._endpoints = endpoints
        self._http = http
        self._clock = clock
        self._pace = pace or Pace()
        self._prices = Prices(storage_price)
        self._stack = AsyncExitStack()
        seconds = BLOCK_SECONDS if block_time is None else block_time
        self.ledger = Ledger(folder / "chain.db", clock=clock, randomness=randomness, block_time=seconds)
        self._randomness = randomness
        self.apps: dict[str, ASGIApp] = {
            endpoints.arc: LazyApp(self._build_arc),
            **{origin: LazyApp(self._build_public) for origin in endpoints.hosts},
            **{host.url: LazyApp(self._storage_builder(host)) for host in endpoints.storage},
        }

    async def close(self) -> None:
        """Close every database that was opened."""
        await self._stack.aclose()
        await self.ledger.close()

    async def _build_arc(self) -> ASGIApp:
        return build_arc(ledger=self.ledger, clock=self._clock, http=self._http)

    async def _build_public(self) -> ASGIApp:
        return public_host(
            await self._database("public"),
            self._endpoints,
            http=self._http,
            clock=self._clock,
            refresh_every=self._pace.proofs,
        )

    def _storage_builder(self, host: StorageHost) -> Callable[[], Awaitable[ASGIApp]]:
        async def build() -> ASGIApp:
            return await self._build_storage(host)

        return build

    async def _build_storage(self, host: StorageHost) -> ASGIApp:
        return storage_host(
            await self._database(host.name),
            self._endpoints,
            network=Network.LOCAL,
            url=host.url,
            keys=self._keys_of(host),
            bucket=Disk(self._folder / host.name / "files"),
            prices=self._prices,
            http=self._http,
            clock=self._clock,
            randomness=self._randomness,
            sweep_every=self._pace.sweep,
        )

    async def _database(self, name: str) -> Database:
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        database = Database.open(f"sqlite:///{folder / 'state.db'}")
        self._stack.push_async_callback(database.close)
        await upgrade(database)
        return database

    def _keys_of(self, host: StorageHost) -> Keys:
        """A toy host's key follows from its name, so that every process that opens the world agrees on it."""
        return Keys(hashlib.sha256(f"toy storage host {host.name}".encode()).digest())
