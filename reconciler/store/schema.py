"""The database's shape: migrated by Alembic, checked before use.

Revisions are numbered in four digits, so that which of two is newer is seen from their names, without importing Alembic:
everyday commands only read the version table.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy import Column, Connection, MetaData, String, Table, func, inspect, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reconciler.model.errors import StateError
from reconciler.store import (
    coins,
    documents,
    journal,
    leases,
    live,
    objects,
    outbox,
    outputs,
    producer,
    sealed_parts,
    settings,
    transactions,
)
from reconciler.store.database import Database

TABLES: Final = (
    coins,
    documents,
    journal,
    leases,
    live,
    objects,
    outbox,
    outputs,
    producer,
    sealed_parts,
    settings,
    transactions,
)
"""Every module that puts tables on `metadata`; a module that is not named here is not migrated."""

_VERSION: Final = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
_ALEMBIC: Final = WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]()
"""Alembic keeps its context in module globals, so that two upgrades in one event loop must not interleave."""

_UPGRADING: Final = 0x0E1A
"""The PostgreSQL advisory lock under which one process at a time upgrades."""


def migrations() -> Path:
    """Where the revisions lie: beside this module in a wheel, at the repository's root in a checkout."""
    here = Path(__file__).resolve()
    packaged = here.parent / "migrations"
    return packaged if packaged.is_dir() else here.parents[2] / "migrations"


def newest() -> str:
    """The revision that this version of the program works with."""
    return max(path.name[:4] for path in migrations().glob("versions/[0-9][0-9][0-9][0-9]_*.py"))


async def check(database: Database) -> None:
    """Raises StateError unless the database has exactly the shape that this program works with."""
    async with database.begin() as connection:
        current = await _current(connection)
    _refuse_newer(current)
    if current != newest():
        raise StateError(
            "the database is not set up yet"
            if current is None
            else f"the database is at revision {current}, behind this tool",
            hint="run `overlay db upgrade`",
        )


async def prepare(database: Database) -> None:
    """Set up a database that has nothing in it yet, check any other: for files that this program makes by itself."""
    async with database.begin() as connection:
        is_new = await _current(connection) is None
    if is_new:
        await upgrade(database)
    else:
        await check(database)


async def upgrade(database: Database) -> bool:
    """Bring the database up to date; says whether there was anything to do.

    Several processes may do so at once: one does, the others wait. It happens in one transaction, so that one that is
    killed leaves the database as it was. Raises StateError for a database that a newer version has upgraded.
    """
    async with database.begin() as connection:
        await _alone(connection)
        current = await _current(connection)
        _refuse_newer(current)
        if current == newest():
            return False
        async with _one_alembic():
            await connection.run_sync(_migrate)
        return True


def _one_alembic() -> asyncio.Lock:
    return _ALEMBIC.setdefault(asyncio.get_running_loop(), asyncio.Lock())


async def _alone(connection: AsyncConnection) -> None:
    if connection.dialect.name == "postgresql":  # SQLite's transactions are alone by themselves
        await connection.execute(select(func.pg_advisory_xact_lock(_UPGRADING)))


async def _current(connection: AsyncConnection) -> str | None:
    if not await connection.run_sync(lambda sync: inspect(sync).has_table(_VERSION.name)):
        return None
    current: str | None = await connection.scalar(select(_VERSION.c.version_num))
    return current


def _refuse_newer(current: str | None) -> None:
    if current is not None and current > newest():
        raise StateError(
            f"the database is at revision {current}, and this tool knows no newer one than {newest()}",
            hint="this tool is too old for the database; upgrade overlay-reconciler",
        )


def _migrate(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - a third of a second that only an upgrade is to pay
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(migrations()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
