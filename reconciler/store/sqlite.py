"""How connections and transactions of SQLite begin."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import Connection, QueuePool
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.pool import ConnectionPoolEntry

from reconciler.store import patience

_TRY_SECONDS: Final = 0.001
"""Between two tries of one that waits on the event loop."""
_PRIMARY: Final = 0xFF
"""Of an error's code: the rest says which sort of busy it is, as while another process recovers the log of one that was killed."""
_SWITCHES: Final = 50
"""How often others may be in the way before a database cannot be opened."""


SETTINGS: Final[Mapping[str, Any]] = {"poolclass": QueuePool, "connect_args": {"check_same_thread": False}}
"""Of an engine: what asks for a connection, and what runs a statement on it, are different threads."""


def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Set a new connection up.

    The driver must not open transactions by itself: those that may write begin IMMEDIATE, so that a reader who goes on to write
    cannot deadlock with another one.
    """
    connection.isolation_level = None
    cursor = connection.cursor()
    _wait_at_most(cursor, patience.BUSY_SECONDS)
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


def stop(connection: sqlite3.Connection) -> None:
    """Have the statement that runs on a connection fail; from any thread."""
    with suppress(sqlite3.ProgrammingError):  # closed: nothing runs
        connection.interrupt()


def hang_up(_: sqlite3.Connection) -> None:
    """A file is no line: what does not stop, such as a commit, comes to its end."""


def begin(connection: Connection) -> None:
    """Of one that reads: it waits for nobody, and cannot fail."""
    connection.connection.cursor().execute("BEGIN")


def begin_immediate(connection: Connection) -> None:
    """Of one that may write: it waits for the one that does."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


async def begun_here(connection: Connection) -> None:
    """The same on the event loop, as soon as no other process writes. Raises DBAPIError where one does for BUSY_SECONDS.

    A thread that has waited for the lock would hold it until the event loop gets round to what is to be written, and the other
    processes would wait for all that this one has to do.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + patience.BUSY_SECONDS
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
        _wait_at_most(cursor, patience.BUSY_SECONDS)
        cursor.close()


def _is_begun(connection: Connection, cursor: DBAPICursor, *, is_last: bool) -> bool:
    """Whether it could begin, if others do not write; what else went wrong, or the last time, is raised as SQLAlchemy does."""
    try:
        cursor.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & _PRIMARY == sqlite3.SQLITE_BUSY and not is_last:
            return False
        begin_immediate(connection)
    return True


def _wait_at_most(cursor: DBAPICursor, seconds: float) -> None:
    cursor.execute(f"PRAGMA busy_timeout={round(seconds * 1000)}")
