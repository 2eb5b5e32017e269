"""What a database says when it fails, in our words: by SQLSTATE or SQLite's code, never by its text.

Which of them pass by themselves is told by the type: a server that restarts, or that others keep busy, is asked again.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError

from reconciler.model.errors import OverlayError, StateError, UnreachableError, UsageError

_OURS: Final = (DataError, IntegrityError, ProgrammingError)
"""What the database says where this program is wrong, not the database."""

_BUSY: Final = ("40", "55P03")
"""SQLSTATEs, and classes of them: another one was in the way (deadlock, lock timeout)."""
_GONE: Final = ("08", "25P03", "53300", "57P")
"""The connection is lost, or was not granted: restart, crash, too many clients, a transaction that was left lying."""
_NOT_ALLOWED: Final = "42501"
_SQLITE_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_PRIMARY: Final = 0xFF
"""SQLite's extended codes have the primary one in their lowest byte."""


def failure(error: DBAPIError, database: str) -> OverlayError | None:
    """What to raise for a failure of the database at `database`; None where it is this program that is wrong.

    The driver's own words name hosts and files. They stand in `where`, which people see and servers do not send.
    """
    code: str | None = getattr(error.orig, "sqlstate", None)
    where = f"{database}: {_words(error)}"
    if isinstance(error, ProgrammingError) and error.statement is None and code is None:
        hint = "options are those of libpq, such as sslmode=require"
        return UsageError("the database URL has an option that does not exist", where=where, hint=hint)
    if isinstance(error, _OURS) and code != _NOT_ALLOWED:
        return None
    if _is_busy(error, code):
        hint = "repeat the command; if that does not help, another process holds the database for long"
        return UnreachableError("the database is busy", where=where, hint=hint)
    if _is_gone(error, code):
        hint = "check the server, and host, user, password and database in DATABASE_URL; then repeat the command"
        return UnreachableError("the database cannot be reached", where=where, hint=hint)
    hint = "check that it is there, writable and not full; what was not finished did not happen"
    return StateError("the database cannot be used", where=where, hint=hint)


def _is_busy(error: DBAPIError, code: str | None) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", 0) & _PRIMARY in _SQLITE_BUSY
    return code is not None and code.startswith(_BUSY)


def _is_gone(error: DBAPIError, code: str | None) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        return False
    # Where no connection comes about, or one breaks off, libpq has no code: neither for a wrong password nor for a lost server.
    return code is None or code.startswith(_GONE)


def _words(error: DBAPIError) -> str:
    """The first line of the driver's own words."""
    return str(error.orig).strip().partition("\n")[0] or type(error.orig).__name__
