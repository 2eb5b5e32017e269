"""How connections and transactions of PostgreSQL begin."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import URL, Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from reconciler.store import patience

_WRITING: Final = 0x0E1A
"""The advisory lock that the transaction which may write holds; of this database alone."""

_STOP_SECONDS: Final = 5.0
"""Within which the server hears that a statement is to stop."""

_DEFAULTS: Final[Mapping[str, str | int]] = {
    "application_name": "overlay",
    "connect_timeout": 10,
    "keepalives_idle": 30,  # seconds; a server that is cut off without a word would be waited for for hours
    "tcp_user_timeout": 60_000,  # milliseconds; one that is cut off while it is asked something, likewise
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
"""Of libpq, where the URL has none of its own."""

SNAPSHOT: Final[Mapping[str, Any]] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
"""Of a transaction that sees one moment, and writes nothing."""


def settings(url: URL) -> dict[str, Any]:
    """Of an engine.

    A pooled connection is tried before it is used: a server that was restarted is not noticed by who serves. READ COMMITTED,
    whatever the server's default: a snapshot from before the wait for the lock would be too old.
    """
    options = {name: value for name, value in _DEFAULTS.items() if name not in url.query}
    return {"isolation_level": "READ COMMITTED", "pool_pre_ping": True, "connect_args": options}


def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Set a new connection up: a statement that runs in a transaction of its own does so by the level of the session, else the server's."""
    cursor = connection.cursor()
    cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED")
    cursor.close()
    connection.commit()


def stop(connection: Any) -> None:
    """Have the statement that runs on a connection of psycopg's fail; from any thread.

    The server is told over a connection of its own. Where that does not get through in time nobody knows when it will, so that
    the connection is of no use any more.
    """
    try:
        connection.cancel_safe(timeout=_STOP_SECONDS)
    except connection.Error:
        hang_up(connection)


def hang_up(connection: Any) -> None:
    """End a connection of psycopg's under whatever waits for the server; from any thread. To close it is its own thread's to do."""
    with (
        suppress(connection.Error, OSError),
        socket.socket(fileno=os.dup(connection.fileno())) as line,
    ):  # else it is closed
        line.shutdown(socket.SHUT_RDWR)


def begin(_: Connection) -> None:
    """Of one that waits for no writer, since it reads, or is apart: nothing is to be done."""


def take_turn(connection: Connection) -> None:
    """Of one that may write: SQLite's BEGIN IMMEDIATE."""
    connection.exec_driver_sql(
        f"SELECT set_config('lock_timeout', '{round(patience.BUSY_SECONDS * 1000)}', true),"
        f" set_config('idle_in_transaction_session_timeout', '{round(patience.IDLE_SECONDS * 1000)}', true),"
        f" pg_advisory_xact_lock({_WRITING})"
    )
