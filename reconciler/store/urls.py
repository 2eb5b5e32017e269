"""Where a database is: the forms in which people write it down, and what may be shown of it.

A URL may hold a password, in more places than one, so that no error repeats what was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from reconciler.model.errors import UsageError

_POSTGRESQL: Final = "postgresql+psycopg"
_SQLITE: Final = "sqlite"
_DRIVERS: Final[Mapping[str, str]] = {
    "postgres": _POSTGRESQL,
    "postgresql": _POSTGRESQL,
    _POSTGRESQL: _POSTGRESQL,
    _SQLITE: _SQLITE,
    "sqlite+aiosqlite": _SQLITE,
}


def database_url(text: str) -> URL:
    """Read a URL as `DATABASE_URL` holds it, such as `postgresql://user:password@host/name?sslmode=require`.

    Raises UsageError for one that names no database, or whose password is not told apart from the rest for certain.
    """
    try:
        url = make_url(text)
        url = url.set(drivername=_DRIVERS[url.drivername])
    except (ArgumentError, ValueError, KeyError):
        raise UsageError(
            "the database URL names no database that can be opened",
            hint="such as postgresql://user@host/name or sqlite:////path/state.db",
        ) from None  # what it says of a port may be half a password
    if is_postgresql(url) and any("@" in part for part in (url.host or "", url.database or "")):
        # `user:pa@ss@host` is read as a host `ss@host`, which every error would name.
        raise UsageError("the database URL has more than one @", hint="write %40 for an @ in a user name or password")
    return url


def is_postgresql(url: URL) -> bool:
    """Whether it is a server's, and not a file's."""
    return url.drivername == _POSTGRESQL


def shown(url: URL) -> str:
    """What an error may say of where a database is: neither user nor password nor options."""
    if not is_postgresql(url):
        return f"sqlite:///{url.database or ''}"
    named = url.query.get("host") or url.host or ""  # a folder with a socket, or several hosts, stand among the options
    host = named if isinstance(named, str) else ",".join(named)
    port = "" if url.port is None else f":{url.port}"
    return f"postgresql://{host}{port}/{url.database or ''}"
