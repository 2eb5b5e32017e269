"""Database transactions that are lived in on the event loop: each statement is a step in a thread, and is run to its end.

Whoever is cancelled waits for the step that runs, which is told to stop. If he left it behind, nobody would have what it leads
to: a transaction that it begins would hold the lock for as long as Python remembers anything of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
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
_HANG_UP: Final[Mapping[str, Callable[[Any], None]]] = {"postgresql": postgresql.hang_up, "sqlite": sqlite.hang_up}
"""How whatever runs is ended if that was of no use."""
_AGAIN_SECONDS: Final = 0.05
"""After which a statement is told again: who is not at it yet, or between two rows, does not hear."""
_HEARD_SECONDS: Final = 5.0
"""After which it is of no use."""


class Stepwise:
    """A `store.works.Connection` in a transaction of its own, from `begin` to `close`.

    `threads` run what it asks the database, and have one for each such transaction. A statement that was cancelled is its last
    one: what that leaves of it differs between databases.
    """

    def __init__(self, engine: Engine, threads: Executor) -> None:
        self._engine = engine
        self._threads = threads
        self._connection: SyncConnection | None = None
        self._driver: Any = None
        self._is_cut_off = False

    async def begin(self, here: Callable[[SyncConnection], Awaitable[None]] | None = None) -> None:
        """Connect, and begin as the engine says; or `here`, on the event loop."""
        connected = await self._step(self._connect)
        if here is None:
            await self._statement(partial(begun, connected))
        else:
            await here(connected)

    async def commit(self) -> None:
        """Keep what was done."""
        await self._step(self._connected.commit)

    async def close(self) -> None:
        """Take back what was not committed, and give the connection back."""
        if self._connection is None:
            return
        try:
            giving = self._running(partial(give_back, self._connection))
        except RuntimeError:  # the database was closed meanwhile, and has neither threads nor a pool any more
            give_back(self._connection, for_good=True)
        else:
            await self._over(giving, stop=False)

    @property
    def dialect(self) -> Dialect:
        """Which database it is."""
        return self._engine.dialect

    async def execute(self, statement: Executable, parameters: Any = None) -> Result[*tuple[Any, ...]]:
        """Run a statement, and read all its rows."""
        return await self._read(partial(self._connected.execute, statement, parameters))

    async def scalars(self, statement: Executable, parameters: Any = None) -> ScalarResult[Any]:
        """Run a statement; the first column of its rows."""
        return (await self.execute(statement, parameters)).scalars()

    async def scalar(self, statement: Executable, parameters: Any = None) -> Any:
        """Run a statement; the first column of its first row, None without rows."""
        return await self._statement(partial(self._connected.scalar, statement, parameters))

    async def changed(self, statement: Executable, parameters: Any = None) -> int:
        """Run a statement that changes rows; how many."""
        connection = self._connected
        return await self._statement(lambda: connection.execute(statement, parameters).rowcount)

    async def exec_driver_sql(self, statement: str, parameters: Any = None) -> Result[*tuple[Any, ...]]:
        """Run a statement as the driver takes it, and read all its rows."""
        return await self._read(partial(self._connected.exec_driver_sql, statement, parameters))

    async def run_sync(self, function: Callable[[SyncConnection], T]) -> T:
        """Do what knows no event loop, on the connection that it knows."""
        return await self._step(partial(function, self._connected))

    @property
    def _connected(self) -> SyncConnection:
        if self._connection is None or self._is_cut_off:
            raise RuntimeError("the transaction is not open, or was cut off")
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

        return await self._statement(whole)

    async def _statement(self, step: Callable[[], T]) -> T:
        """Run a step that is told to stop when whoever waits for it is cancelled."""
        return await self._over(self._running(step), stop=True)

    async def _step(self, step: Callable[[], T]) -> T:
        """Run a step that is short, or better not broken off."""
        return await self._over(self._running(step), stop=False)

    def _running(self, step: Callable[[], T]) -> Future[T]:
        """Raises RuntimeError where the database was closed."""
        return self._threads.submit(step)

    async def _over(self, running: Future[T], *, stop: bool) -> T:
        """What a step comes to. Whoever is cancelled, however often, is so when it has ended."""
        step = asyncio.wrap_future(running)
        try:
            return await asyncio.shield(step)
        except asyncio.CancelledError:
            self._is_cut_off = True
            thread = ThreadPoolExecutor(1, "database-stop")
            both: list[asyncio.Future[Any]] = [step, asyncio.wrap_future(thread.submit(self._end, running, stop=stop))]
            thread.shutdown(wait=False)
            while not all(each.done() for each in both):
                with suppress(asyncio.CancelledError):
                    await asyncio.wait(both)
            step.exception()  # which nobody else asks for: it would be logged, with the statement and its parameters
            raise

    def _end(self, running: Future[Any], *, stop: bool) -> None:
        """In a thread of its own, until it has ended."""
        name, late = self._engine.dialect.name, time.monotonic() + _HEARD_SECONDS
        while not running.done():
            if self._driver is not None:  # else it connects, which has a time limit
                if time.monotonic() >= late:
                    _HANG_UP[name](self._driver)
                elif stop:
                    _STOP[name](self._driver)
            wait([running], timeout=_AGAIN_SECONDS)
