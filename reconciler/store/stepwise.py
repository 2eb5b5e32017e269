"""Database transactions that are lived in on the event loop: each statement is a step in a thread, and is run to its end.

Whoever is cancelled waits for the step that runs, which is told to stop. If he left it behind, nobody would have what it leads
to: a transaction that it begins would hold the lock for as long as Python remembers anything of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import Connection as SyncConnection
from sqlalchemy import CursorResult, Dialect, Engine, Executable, Result, ScalarResult

from reconciler.store import postgresql, sqlite
from reconciler.store.works import begun, give_back

T = TypeVar("T")

_STOP: Final[Mapping[str, Callable[[Any], None]]] = {"postgresql": postgresql.stop, "sqlite": sqlite.stop}
"""How a statement that runs is told to stop."""


class Stepwise:
    """A `store.works.Connection` in a transaction of its own, from `begin` to `close`. `threads` run what it asks the database."""

    def __init__(self, engine: Engine, threads: Executor) -> None:
        self._engine = engine
        self._threads = threads
        self._connection: SyncConnection | None = None
        self._driver: Any = None

    async def begin(self, here: Callable[[SyncConnection], Awaitable[None]] | None = None) -> None:
        """Connect, and begin as the engine says; or `here`, on the event loop."""
        connected = await self._step(self._connect)
        if here is None:
            await self._step(partial(begun, connected), stop=True)
        else:
            await here(connected)

    async def commit(self) -> None:
        """Keep what was done."""
        await self._step(self._connected.commit)

    async def close(self) -> None:
        """Take back what was not committed, and give the connection back."""
        if self._connection is not None:
            await self._step(partial(give_back, self._connection))

    @property
    def dialect(self) -> Dialect:
        """Which database it is."""
        return self._engine.dialect

    async def execute(self, statement: Executable, parameters: Any = None) -> Result[*tuple[Any, ...]]:
        """Run a statement, and read all its rows."""
        return await self._read(lambda: self._connected.execute(statement, parameters))

    async def scalars(self, statement: Executable, parameters: Any = None) -> ScalarResult[Any]:
        """Run a statement; the first column of its rows."""
        return (await self.execute(statement, parameters)).scalars()

    async def scalar(self, statement: Executable, parameters: Any = None) -> Any:
        """Run a statement; the first column of its first row, None without rows."""
        return await self._step(partial(self._connected.scalar, statement, parameters), stop=True)

    async def changed(self, statement: Executable, parameters: Any = None) -> int:
        """Run a statement that changes rows; how many."""
        return await self._step(lambda: self._connected.execute(statement, parameters).rowcount, stop=True)

    async def exec_driver_sql(self, statement: str, parameters: Any = None) -> Result[*tuple[Any, ...]]:
        """Run a statement as the driver takes it, and read all its rows."""
        return await self._read(lambda: self._connected.exec_driver_sql(statement, parameters))

    async def run_sync(self, function: Callable[[SyncConnection], T]) -> T:
        """Do what knows no event loop, on the connection that it knows."""
        return await self._step(partial(function, self._connected))

    @property
    def _connected(self) -> SyncConnection:
        if self._connection is None:
            raise RuntimeError("the transaction is not open")
        return self._connection

    def _connect(self) -> SyncConnection:
        """In the thread, so that `close` knows the connection even if nobody waits for this step any more."""
        self._connection = self._engine.connect()
        self._driver = self._connection.connection.driver_connection
        return self._connection

    async def _read(self, run: Callable[[], CursorResult[*tuple[Any, ...]]]) -> Result[*tuple[Any, ...]]:
        def whole() -> Result[*tuple[Any, ...]]:
            result = run()
            return result.freeze()() if result.returns_rows else result

        return await self._step(whole, stop=True)

    async def _step(self, step: Callable[[], T], *, stop: bool = False) -> T:
        """Run it in a thread to its end. Whoever is cancelled is so afterwards; with `stop` that is made to come soon."""
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._threads, step)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await _ended(running, loop.run_in_executor(None, self._stop)) if stop else await _ended(running)
            raise

    def _stop(self) -> None:
        with suppress(self._engine.dialect.loaded_dbapi.Error):  # it has ended, or cannot be told to
            _STOP[self._engine.dialect.name](self._driver)


async def _ended(*steps: asyncio.Future[Any]) -> None:
    """Wait until they have, how often ever that is cancelled."""
    while not all(step.done() for step in steps):
        with suppress(asyncio.CancelledError):
            await asyncio.wait(steps)
