"""Opening the database, and one transaction at a time on it.

A repository is a small class around the connection of one transaction:

    async with database.begin() as connection:
        coins = await Coins(connection).spendable()
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, Self, TypeVar

from sqlalchemy import (
    Connection,
    Dialect,
    Engine,
    LargeBinary,
    MetaData,
    TypeDecorator,
    create_engine,
    event,
)
from sqlalchemy.exc import DBAPIError

from reconciler.model.errors import UnreachableError
from reconciler.store import patience, postgresql, sqlite
from reconciler.store.commits import Commits
from reconciler.store.failures import failure
from reconciler.store.stepwise import Stepwise
from reconciler.store.urls import database_url, is_postgresql, shown
from reconciler.store.works import OPENING, Done, Failed, Glances, Work, alone, give_back, side_by_side, together

T = TypeVar("T")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_READERS: Final = 4
"""Threads that read from a server, which wait for it most of their time."""
_FILE_READERS: Final = 1
"""Of a file: Python runs one thread at a time, and sqlite3 gives its turn away with every row. Two on two processors take longer than one."""
_APART: Final = 2
"""Threads that write what needs no turn."""
_PLACES: Final = 15
"""Transactions at once, at most, that are lived in and read."""
_WRITING: Final = 1
"""Connections of those that have the turn."""
_GLANCE: Final = 1
"""Connections of those that glance."""
_AT_ONCE: Final = 100
"""Works that are written together, at most."""


class Hex(TypeDecorator[str]):
    """Lower-case hex text in the program, bytes in the database: hashes and keys."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Text to bytes."""
        return None if value is None else bytes.fromhex(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - as above
        """Bytes to text."""
        return None if value is None else value.hex()


@dataclass(frozen=True, slots=True)
class _Order(Generic[T]):
    """A work that waits for its turn, and who waits for it."""

    work: Work[T]
    outcome: asyncio.Future[T]
    is_brief: bool

    def settle(self, outcome: Done | Failed) -> None:
        if self.outcome.done():  # whoever asked is gone
            return
        match outcome:
            case Done(result):
                self.outcome.set_result(result)
            case Failed(error):
                self.outcome.set_exception(error)


class Database:
    """An open database.

    Transactions that may write are one after another, in this process and in all others: each sees what those before it
    have left, and what it has read stays true until it ends. So the same code is right on SQLite and on PostgreSQL. They are
    short, and wait for nothing but the database. Those that only read (`reading`) see one moment, and neither wait nor are
    waited for.

    Servers, which have many at once, give theirs as works: see store.works.
    """

    def __init__(self, engine: Engine) -> None:
        is_server = is_postgresql(engine.url)
        # a transaction of SQLite's sees one moment by itself
        reading = {OPENING: postgresql.begin, **postgresql.SNAPSHOT} if is_server else {OPENING: sqlite.begin}
        apart = {OPENING: postgresql.begin, "isolation_level": "AUTOCOMMIT"}
        self._writing = engine
        self._reading = engine.execution_options(**reading)
        self._apart = engine.execution_options(**apart) if is_server else None
        self._writing_thread = ThreadPoolExecutor(1, "database-writer")
        self._reading_threads = ThreadPoolExecutor(_READERS if is_server else _FILE_READERS, "database-reader")
        self._apart_threads = ThreadPoolExecutor(_APART, "database-apart")
        self._stepwise_threads = ThreadPoolExecutor(_PLACES + _WRITING, "database-stepwise")
        self._glances = Glances(self._reading)
        self._turn = asyncio.Lock()
        self._places = asyncio.Semaphore(_PLACES)
        self._orders: list[_Order[Any]] = []
        self._writer: asyncio.Task[None] | None = None
        self._commits = Commits()
        self._is_closed = False

    @classmethod
    def open(cls, text: str) -> Self:
        """Connect lazily to `sqlite:////path/state.db` or `postgresql://user:password@host/name?option=value`.

        Raises UsageError for a URL that is none, without repeating it: it may hold a password.
        """
        url = database_url(text)
        is_server = is_postgresql(url)
        engine = create_engine(
            url,
            pool_size=_READERS + _APART + _WRITING,
            max_overflow=_PLACES + _GLANCE,  # so that nobody who has a thread waits for a connection
            execution_options={OPENING: postgresql.take_turn if is_server else sqlite.begin_immediate},
            **(postgresql.settings(url) if is_server else sqlite.SETTINGS),
        )
        event.listen(engine, "connect", postgresql.prepare if is_server else sqlite.prepare)
        return cls(engine)

    @property
    def location(self) -> str:
        """Where it is, for errors: no user, no password."""
        return shown(self._writing.url)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Stepwise]:
        """One database transaction: committed at the end of the block, rolled back if it raises.

        Raises UnreachableError where the database does not answer, breaks off or is busy for too long, and StateError where it
        cannot be opened, is read-only, full or damaged. No statement or parameter is shown. A connection that is lost during
        the commit leaves open whether it happened.
        """
        here = sqlite.begun_here if self._apart is None else None
        async with self._its_turn(), self._transaction(self._writing, here) as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Stepwise]:
        """One database transaction that writes nothing. Raises as `begin` does."""
        async with self._held(self._places), self._transaction(self._reading) as connection:
            yield connection

    async def write(self, work: Work[T]) -> T:
        """Do a work that may write; what it returns, once that is durable. Raises what the work raises, and as `begin` does."""
        return await self._ordered(work, is_brief=False)

    async def jot(self, work: Work[T]) -> T:
        """Like `write`, for a few rows by their keys: what many ask for at the same time.

        In a file such works are done here, and a thread waits for the disk where that is slow. In a thread each statement would
        wait for its turn with this one, milliseconds where much is asked, and all others meanwhile for the lock.
        """
        return await self._ordered(work, is_brief=True)

    async def _ordered(self, work: Work[T], *, is_brief: bool) -> T:
        if self._is_closed:
            raise RuntimeError("the database is closed")
        order = _Order(work, asyncio.get_running_loop().create_future(), is_brief)
        self._orders.append(order)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        done: T = await order.outcome
        return done

    async def write_apart(self, work: Work[T]) -> T:
        """Do a work of one statement that is right whatever others write at the same time; otherwise like `write`.

        On PostgreSQL it waits for no other writer, and none for it.
        """
        if self._apart is None:
            return await self.jot(work)
        loop = asyncio.get_running_loop()
        done: T = self._result(await loop.run_in_executor(self._apart_threads, alone, self._apart, work))
        return done

    async def read(self, work: Work[T]) -> T:
        """Do a work that writes nothing, in one moment of the database. Raises what the work raises, and as `begin` does."""
        loop = asyncio.get_running_loop()
        outcome = await loop.run_in_executor(self._reading_threads, alone, self._reading, work)
        done: T = self._result(outcome)
        return done

    async def glance(self, work: Work[T]) -> T:
        """Like `read`, for a few rows by their keys: those who are asked often.

        A file is read there and then: to go to a thread and back costs several times what such a work does, and there every
        statement waits for its turn with this thread. A server is asked from a thread.
        """
        if self._apart is not None:
            return await self.read(work)
        done: T = self._result(self._glances.do(work))
        return done

    async def _write_all(self) -> None:
        """Write what has come, together, until nothing more comes."""
        orders: list[_Order[Any]] = []
        try:
            while self._orders:
                async with self._its_turn():
                    orders, self._orders = self._orders[:_AT_ONCE], self._orders[_AT_ONCE:]
                    outcomes = await self._written(orders)
                for order, outcome in zip(orders, outcomes, strict=True):
                    order.settle(self._translated(outcome))
        except Exception as error:  # noqa: BLE001 - raised again by all who wait: nobody else would answer them
            left, self._orders = [*orders, *self._orders], []
            for order in left:
                order.settle(Failed(error))
        finally:
            self._writer = None

    async def _written(self, orders: Sequence[_Order[Any]]) -> list[Done | Failed]:
        works = [order.work for order in orders]
        if self._apart is None and all(order.is_brief for order in orders):
            with suppress(DBAPIError):  # nothing of it was kept; whose fault it was shows when each is run alone
                return await self._written_here(works)
        return await self._in_writing_thread(partial(together, self._writing, works))

    async def _written_here(self, works: Sequence[Work[Any]]) -> list[Done | Failed]:
        connection = self._writing.connect()
        leave = partial(give_back, connection)
        try:
            try:
                await sqlite.begun_here(connection)
            except DBAPIError as error:  # of no work among them: others write for too long, or the file is gone
                return [Failed(error)] * len(works)
            outcomes = side_by_side(connection, works)
            if self._commits.is_here():
                self._commits.here(connection.commit)
            else:
                leave = partial(self._give_back, connection)
                await self._in_writing_thread(connection.commit)
            return outcomes
        finally:
            leave()

    def _give_back(self, connection: Connection) -> None:
        """Behind what the thread still does with it, if nobody waits for that any more."""
        try:
            self._writing_thread.submit(give_back, connection)
        except RuntimeError:  # the database was closed meanwhile, and the thread has ended
            give_back(connection, for_good=True)

    async def _in_writing_thread(self, step: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writing_thread, step)

    def _its_turn(self) -> AbstractAsyncContextManager[None]:
        """Wait for those of this process that write: in the order in which they came, and no longer than for any others."""
        return self._held(self._turn)

    @asynccontextmanager
    async def _held(self, lock: asyncio.Lock | asyncio.Semaphore) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(patience.BUSY_SECONDS):
                await lock.acquire()
        except TimeoutError as error:
            raise self._busy() from error
        try:
            yield
        finally:
            lock.release()

    def _busy(self) -> UnreachableError:
        return UnreachableError("the database is busy", where=self.location, hint="repeat the command")

    def _result(self, outcome: Done | Failed) -> Any:
        match self._translated(outcome):
            case Done(result):
                return result
            case Failed(error):
                raise error

    def _translated(self, outcome: Done | Failed) -> Done | Failed:
        match outcome:
            case Failed(DBAPIError() as error) if (known := failure(error, self.location)) is not None:
                known.__cause__ = error
                return Failed(known)
        return outcome

    @asynccontextmanager
    async def _transaction(
        self, engine: Engine, here: Callable[[Connection], Awaitable[None]] | None = None
    ) -> AsyncIterator[Stepwise]:
        connection = Stepwise(engine, self._stepwise_threads)
        try:
            try:
                await connection.begin(here)
                yield connection
                await connection.commit()
            finally:
                await connection.close()
        except DBAPIError as error:
            known = failure(error, self.location)
            if known is None:
                raise
            raise known from error

    async def close(self) -> None:
        """End all threads when they have done what they do, and all connections; that of a transaction which is still lived in ends with it."""
        self._is_closed = True
        try:
            await asyncio.to_thread(self._shut_down)
        finally:
            self._glances.close()
            self._writing.dispose()

    def _shut_down(self) -> None:
        for threads in (self._writing_thread, self._apart_threads, self._reading_threads, self._stepwise_threads):
            threads.shutdown()
