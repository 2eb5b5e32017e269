"""Opening the database, and one transaction at a time on it.

A repository is a small class around the connection of one transaction:

    async with database.begin() as connection:
        coins = await Coins(connection).spendable()
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from sqlalchemy import (
    URL,
    Connection,
    Dialect,
    Engine,
    Executable,
    LargeBinary,
    MetaData,
    Row,
    Table,
    TypeDecorator,
    create_engine,
    dialects,
    event,
)
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from reconciler.model.errors import UnreachableError
from reconciler.store.engines import AsyncConnection, AsyncEngine, create_async_engine
from reconciler.store.failures import failure
from reconciler.store.urls import database_url, is_postgresql, shown, without_loop
from reconciler.store.works import OPENING, Done, Failed, Glances, Work, alone, side_by_side, together
from reconciler.store.works import Connection as AnyConnection

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

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

_BUSY_SECONDS: Final = 30.0
"""How long a transaction waits for the one that writes."""
_TRY_SECONDS: Final = 0.001
"""Between two tries of one that waits on the event loop."""
_IDLE_SECONDS: Final = 60.0
"""After which PostgreSQL ends a transaction whose process does not go on: stopped, or cut off."""
_READERS: Final = 4
"""Threads that read; as many processors as there are could not be used by more."""
_APART: Final = 2
"""Threads that write what needs no turn."""
_AT_ONCE: Final = 100
"""Works that are written together, at most."""
_SWITCHES: Final = 50
"""How often others may be in the way before a database cannot be opened."""
_WRITING: Final = 0x0E1A
"""The PostgreSQL advisory lock that the transaction which may write holds; of this database alone."""

_DEFAULTS: Final[Mapping[str, str | int]] = {
    "application_name": "overlay",
    "connect_timeout": 10,
    "keepalives_idle": 30,  # seconds; a server that is cut off without a word would be waited for for hours
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
"""Of libpq, where the URL has none of its own."""


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

    def __init__(self, engine: AsyncEngine, threads: Engine) -> None:
        is_server = is_postgresql(engine.url)
        reading = {OPENING: _as_it_is if is_server else _begin, **_snapshot(engine.url)}
        apart = {OPENING: _as_it_is, "isolation_level": "AUTOCOMMIT"}
        self._engine = engine
        self._reading = engine.execution_options(**reading)
        self._writing_thread = ThreadPoolExecutor(1, "database-writer")
        self._reading_threads = ThreadPoolExecutor(_READERS, "database-reader")
        self._in_threads = threads
        self._reading_in_threads = threads.execution_options(**reading)
        self._apart = threads.execution_options(**apart) if is_server else None
        self._apart_threads = ThreadPoolExecutor(_APART, "database-apart")
        self._glances = Glances(self._reading_in_threads)
        self._turn = asyncio.Lock()
        self._orders: list[_Order[Any]] = []
        self._writer: asyncio.Task[None] | None = None

    @classmethod
    def open(cls, text: str) -> Self:
        """Connect lazily to `sqlite:////path/state.db` or `postgresql://user:password@host/name?option=value`.

        Raises UsageError for a URL that is none, without repeating it: it may hold a password.
        """
        url = database_url(text)
        if is_postgresql(url):
            options = {name: value for name, value in _DEFAULTS.items() if name not in url.query}
            # A pooled connection is tried before it is used: a server that was restarted is not noticed by who serves.
            # READ COMMITTED, whatever the server's default: a snapshot from before the wait for `_WRITING` would be too old.
            settings = {"isolation_level": "READ COMMITTED", "pool_pre_ping": True, "connect_args": options}
        else:
            settings = {}
        settings["execution_options"] = {OPENING: _take_turn if is_postgresql(url) else _begin_immediate}
        engine = create_async_engine(url, **settings)
        threads = create_engine(without_loop(url), pool_size=_READERS + _APART + 2, **settings)
        event.listen(engine.sync_engine, "begin", _opened)  # those of works are opened by who begins them
        if not is_postgresql(url):
            for each in (engine.sync_engine, threads):
                event.listen(each, "connect", _prepare_sqlite)
        return cls(engine, threads)

    @property
    def location(self) -> str:
        """Where it is, for errors: no user, no password."""
        return shown(self._engine.url)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """One database transaction: committed at the end of the block, rolled back if it raises.

        Raises UnreachableError where the database does not answer, breaks off or is busy for too long, and StateError where it
        cannot be opened, is read-only, full or damaged. No statement or parameter is shown. A connection that is lost during
        the commit leaves open whether it happened.
        """
        async with self._its_turn(), self._transaction(self._engine) as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """One database transaction that writes nothing. Raises as `begin` does."""
        async with self._transaction(self._reading) as connection:
            yield connection

    async def write(self, work: Work[T]) -> T:
        """Do a work that may write; what it returns, once that is durable. Raises what the work raises, and as `begin` does."""
        return await self._ordered(work, is_brief=False)

    async def jot(self, work: Work[T]) -> T:
        """Like `write`, for a few rows by their keys: what many ask for at the same time.

        In a file such works are done here, and a thread waits for the disk. In a thread each statement would wait for its turn
        with this one, milliseconds where much is asked, and all others meanwhile for the lock.
        """
        return await self._ordered(work, is_brief=True)

    async def _ordered(self, work: Work[T], *, is_brief: bool) -> T:
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
        outcome = await loop.run_in_executor(self._reading_threads, alone, self._reading_in_threads, work)
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
        return await self._in_writing_thread(partial(together, self._in_threads, works))

    async def _written_here(self, works: Sequence[Work[Any]]) -> list[Done | Failed]:
        connection = self._in_threads.connect()
        try:
            try:
                await _begun_here(connection)
            except DBAPIError as error:  # of no work among them: others write for too long, or the file is gone
                return [Failed(error)] * len(works)
            outcomes = side_by_side(connection, works)
            await self._in_writing_thread(connection.commit)
            return outcomes
        finally:
            self._give_back(connection)

    def _give_back(self, connection: Connection) -> None:
        """And whatever it has not committed; behind what the thread still does with it, if nobody waits for that any more."""
        try:
            self._writing_thread.submit(connection.close)
        except RuntimeError:  # the database was closed meanwhile, and the thread has ended
            connection.close()

    async def _in_writing_thread(self, step: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writing_thread, step)

    @asynccontextmanager
    async def _its_turn(self) -> AsyncIterator[None]:
        """Wait for those of this process that write: in the order in which they came, and no longer than for any others."""
        try:
            async with asyncio.timeout(_BUSY_SECONDS):
                await self._turn.acquire()
        except TimeoutError as error:
            raise self._busy() from error
        try:
            yield
        finally:
            self._turn.release()

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
    async def _transaction(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        try:
            async with engine.begin() as connection:
                yield connection
        except PoolTimeoutError as error:  # of the pool: all its connections were in use
            raise self._busy() from error
        except DBAPIError as error:
            known = failure(error, self.location)
            if known is None:
                raise
            raise known from error

    async def close(self) -> None:
        """Give back all connections, and end all threads."""
        for threads in (self._writing_thread, self._apart_threads, self._reading_threads):
            threads.shutdown()
        self._glances.close()
        self._in_threads.dispose()
        await self._engine.dispose()


def _snapshot(url: URL) -> dict[str, Any]:
    if is_postgresql(url):
        return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return {}  # a transaction of SQLite's sees one moment by itself


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # The driver must not open transactions by itself: they begin IMMEDIATE, so that a reader who goes on to write cannot
    # deadlock with another one.
    connection.isolation_level = None
    cursor = connection.cursor()
    _wait_at_most(cursor, _BUSY_SECONDS)
    for pragma in (
        "synchronous=FULL",  # a signed transaction must survive a power cut before it leaves
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    _log_ahead(cursor)
    cursor.close()


def _log_ahead(cursor: DBAPICursor) -> None:
    """Switch a database file to write-ahead logging, for good; several processes may open a new one at the same time.

    SQLite does not wait for others when it switches: so wait for them by a transaction, which does, and look again.
    """
    for _ in range(_SWITCHES):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("ROLLBACK")
        else:
            return
    cursor.execute("PRAGMA journal_mode=WAL")


def _opened(connection: Connection) -> None:
    connection.get_execution_options()[OPENING](connection)


def _begin(connection: Connection) -> None:
    connection.connection.cursor().execute("BEGIN")  # which waits for nobody, and cannot fail


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


async def _begun_here(connection: Connection) -> None:
    """BEGIN IMMEDIATE as soon as no other process writes. Raises DBAPIError where one does for `_BUSY_SECONDS`.

    It is tried from the event loop: a thread that has waited for the lock would hold it until this loop gets round to the works,
    and the other processes would wait for all that this one has to do.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + _BUSY_SECONDS
    transaction = connection.begin()
    cursor = connection.connection.cursor()
    try:
        _wait_at_most(cursor, 0)
        while not _is_begun(connection, cursor, is_last=loop.time() > until):  # noqa: ASYNC110 - other processes set no Event
            await asyncio.sleep(_TRY_SECONDS)
    except BaseException:
        transaction.rollback()
        raise
    finally:
        _wait_at_most(cursor, _BUSY_SECONDS)
        cursor.close()


def _is_begun(connection: Connection, cursor: DBAPICursor, *, is_last: bool) -> bool:
    """Whether it could begin, if others do not write; what else went wrong, or the last time, is raised as SQLAlchemy does."""
    try:
        cursor.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY and not is_last:
            return False
        _begin_immediate(connection)
    return True


def _wait_at_most(cursor: DBAPICursor, seconds: float) -> None:
    cursor.execute(f"PRAGMA busy_timeout={round(seconds * 1000)}")


def _take_turn(connection: Connection) -> None:
    """BEGIN IMMEDIATE for PostgreSQL."""
    connection.exec_driver_sql(
        f"SELECT set_config('lock_timeout', '{round(_BUSY_SECONDS * 1000)}', true),"
        f" set_config('idle_in_transaction_session_timeout', '{round(_IDLE_SECONDS * 1000)}', true),"
        f" pg_advisory_xact_lock({_WRITING})"
    )


def _as_it_is(_: Connection) -> None:
    """Of PostgreSQL's own: one that waits for no writer, since it reads, or is apart."""


def inserting(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say what becomes of rows that are there already: each database has its own, with the same methods.

    The dialect is one of an engine's, which has loaded it.
    """
    made: sqlite.Insert | postgresql.Insert = getattr(dialects, dialect).insert(table)
    return made


@cache  # to make a statement costs more than to run it
def _insert_new(dialect: str, table: Table) -> Executable:
    # psycopg's cursor has forgotten the count afterwards
    return inserting(dialect, table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)


@cache
def _insert_returning_new(dialect: str, table: Table) -> Executable:
    return inserting(dialect, table).on_conflict_do_nothing().returning(*table.primary_key)


async def insert_new(connection: AnyConnection, table: Table, rows: Sequence[Mapping[str, object]]) -> int:
    """Insert those rows whose primary key or unique columns are not there yet; returns how many were new."""
    if not rows:
        return 0
    result = await connection.execute(_insert_new(connection.dialect.name, table), list(rows))
    return result.rowcount


async def insert_returning_new(
    connection: AnyConnection, table: Table, rows: Sequence[Mapping[str, object]]
) -> Sequence[Row[Any]]:
    """Insert those rows whose primary key is not there yet; returns the primary keys of these."""
    return (await connection.execute(_insert_returning_new(connection.dialect.name, table), list(rows))).all()


async def upsert(
    connection: AnyConnection, table: Table, rows: Sequence[Mapping[str, object]], *, keys: Sequence[str]
) -> None:
    """Insert rows, or overwrite those with the same `keys` (which must be unique together)."""
    if not rows:
        return
    statement = inserting(connection.dialect.name, table)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    await connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=changed), list(rows))
