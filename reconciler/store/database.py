"""Opening the database, and one transaction at a time on it.

A repository is a small class around the connection of one transaction:

    async with database.begin() as connection:
        coins = await Coins(connection).spendable()
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

from sqlalchemy import Dialect, LargeBinary, MetaData, Table, TypeDecorator, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    InvalidRequestError,
    NoSuchModuleError,
    ProgrammingError,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from reconciler.model.errors import StateError, UsageError

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_BUSY_SECONDS = 30
_SWITCHES = 50
"""How often others may be in the way before a database cannot be opened."""
_OURS = (DataError, IntegrityError, ProgrammingError)
"""What the database says where this program is wrong, not the database."""


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


class Database:
    """An open database. Concurrent transactions, of this process or another, wait for one another."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> Self:
        """Connect lazily to an SQLAlchemy URL with an async driver, such as `sqlite+aiosqlite:////path/state.db`.

        Raises UsageError for a URL that is none, without repeating it: it may hold a password.
        """
        try:
            engine = create_async_engine(url)
        except (ArgumentError, NoSuchModuleError, ImportError, InvalidRequestError) as error:
            raise UsageError(
                "the database URL names no database that can be opened",
                hint="such as postgresql+psycopg://user@host/name or sqlite+aiosqlite:////path/state.db",
            ) from error
        if engine.dialect.name == "sqlite":
            event.listen(engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(engine.sync_engine, "begin", _begin_immediate)
        return cls(engine)

    @property
    def engine(self) -> AsyncEngine:
        """For migrations only."""
        return self._engine

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """One database transaction: committed at the end of the block, rolled back if it raises.

        Raises StateError where the database itself fails: it cannot be opened, is read-only, full, damaged, or busy for too
        long. No statement or parameter is shown.
        """
        try:
            async with self._engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            if isinstance(error, _OURS):
                raise
            raise StateError(
                f"the database cannot be used: {_reason(error)}",
                where=self._engine.url.render_as_string(hide_password=True),
                hint="check that it is reachable, writable and not full; the state is as it was before the command",
            ) from error

    async def close(self) -> None:
        """Give back all connections."""
        await self._engine.dispose()


def _reason(error: DBAPIError) -> str:
    """The first line of the driver's own words."""
    return str(error.orig).strip().partition("\n")[0] or type(error.orig).__name__


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # The driver must not open transactions by itself: they begin IMMEDIATE, so that a reader who goes on to write cannot
    # deadlock with another one.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_BUSY_SECONDS * 1000}",
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


def _begin_immediate(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


async def insert_new(connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, object]]) -> int:
    """Insert those rows whose primary key or unique columns are not there yet; returns how many were new."""
    if not rows:
        return 0
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).on_conflict_do_nothing()
    result = await connection.execute(statement, list(rows))
    return result.rowcount


async def upsert(
    connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, object]], *, keys: Sequence[str]
) -> None:
    """Insert rows, or overwrite those with the same `keys` (which must be unique together)."""
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    await connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=changed), list(rows))
