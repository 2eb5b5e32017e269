"""The database's shape: migrated by Alembic, checked before use.

Revisions are numbered in four digits, so that which of two is newer is seen from their names, without importing Alembic:
everyday commands only read the version table.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, literal, select

from reconciler.model.errors import StateError
from reconciler.store import (
    bundles,
    buyer_credits,
    coins,
    documents,
    handovers,
    host_tables,
    indexes,
    journal,
    labels,
    leases,
    live,
    objects,
    orders,
    outbox,
    payments,
    payouts,
    peers,
    producer,
    purchases,
    receipts,
    replays,
    sealed_parts,
    settings,
    templates,
    transactions,
    usage,
)
from reconciler.store.database import Database, metadata
from reconciler.store.stepwise import Stepwise

TABLES: Final = (
    buyer_credits,
    bundles,
    coins,
    documents,
    handovers,
    indexes,
    journal,
    labels,
    leases,
    live,
    objects,
    orders,
    outbox,
    host_tables,
    payments,
    payouts,
    peers,
    producer,
    purchases,
    receipts,
    replays,
    sealed_parts,
    settings,
    templates,
    transactions,
    usage,
)
"""Every module that puts tables on `metadata`; a module that is not named here is not migrated."""

_VERSION: Final = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
_ALEMBIC: Final = WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]()
"""Alembic keeps its context in module globals, so that two upgrades in one event loop must not interleave."""

_ASIDE: Final = frozenset({settings.settings, leases.leases, indexes.host_indexes})
"""Tables that say how to work with the others; some have rows from the start."""
_REVISION: Final = re.compile(r"[0-9]{4}")
_UPGRADE: Final = "run `overlay db upgrade`; a copy of the database before that does no harm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """What an upgrade did."""

    before: str | None
    """The revision that it found; None in a database that was not set up."""
    now: str
    applied: tuple[str, ...]
    """The revisions it went through, such as `0002_where_from`; none where there was nothing to do."""


def migrations() -> Path:
    """Where the revisions lie: beside this module in a wheel, at the repository's root in a checkout."""
    here = Path(__file__).resolve()
    packaged = here.parent / "migrations"
    return packaged if packaged.is_dir() else here.parents[2] / "migrations"


def revisions() -> tuple[str, ...]:
    """All revisions in order, by number and name."""
    return tuple(sorted(path.stem for path in migrations().glob("versions/[0-9][0-9][0-9][0-9]_*.py")))


def newest() -> str:
    """The revision that this version of the program works with."""
    return revisions()[-1][:4]


async def check(database: Database) -> None:
    """Raises StateError unless the database has exactly the shape that this program works with."""
    async with database.reading() as connection:
        current = await _current(connection, database)
    if current is None:
        raise StateError("the database is not set up yet", where=database.location, hint="run `overlay db upgrade`")
    if current != newest():
        raise StateError(
            f"the database is at revision {current}, behind this tool's {newest()}",
            where=database.location,
            hint=_UPGRADE,
        )


async def is_new(database: Database) -> bool:
    """Whether nothing was set up in the database yet."""
    async with database.reading() as connection:
        return await _current(connection, database) is None


async def is_blank(database: Database) -> bool:
    """Whether nothing is recorded. Raises StateError as `check` does."""
    await check(database)
    async with database.reading() as connection:
        for table in metadata.sorted_tables:
            if table not in _ASIDE and await connection.scalar(select(literal(1)).select_from(table).limit(1)):
                return False
    return True


async def prepare(database: Database) -> None:
    """Set up a database that has nothing in it yet, check any other: for files that this program makes by itself."""
    if await is_new(database):
        await upgrade(database)
    else:
        await check(database)


async def upgrade(database: Database) -> Upgraded:
    """Bring the database up to date.

    Several processes may do so at once: one does, the others wait. It happens in one transaction, so that one that is
    killed leaves the database as it was. Raises StateError for a database that a newer version has upgraded, or that is
    another program's.
    """
    async with database.begin() as connection:
        before = await _current(connection, database)
        applied = tuple(revision for revision in revisions() if before is None or revision[:4] > before)
        if applied:
            async with _one_alembic():
                await connection.run_sync(_migrate)
        return Upgraded(before=before, now=newest(), applied=applied)


def _one_alembic() -> asyncio.Lock:
    return _ALEMBIC.setdefault(asyncio.get_running_loop(), asyncio.Lock())


async def _current(connection: Stepwise, database: Database) -> str | None:
    """The revision; None where nothing of ours is there. Raises StateError where that cannot be this program's database."""
    tables = frozenset(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))
    if _VERSION.name not in tables:
        _refuse_taken_names(tables, database)
        return None
    found = tuple(await connection.scalars(select(_VERSION.c.version_num)))
    if not found:  # a downgrade to nothing leaves the empty table
        return None
    if len(found) > 1 or _REVISION.fullmatch(found[0]) is None:
        raise StateError(
            "the database belongs to another program",
            where=database.location,
            hint=f"its revision is {', '.join(sorted(found))}, which is none of this tool; give this one a database of its own",
        )
    if found[0] > newest():
        raise StateError(
            f"the database is at revision {found[0]}, and this tool knows no newer one than {newest()}",
            where=database.location,
            hint="this tool is too old for the database; upgrade overlay-reconciler",
        )
    current: str = found[0]
    return current


def _refuse_taken_names(tables: frozenset[str], database: Database) -> None:
    taken = sorted(tables & metadata.tables.keys())
    if taken:
        raise StateError(
            f"the database has tables that this tool did not make: {', '.join(taken[:3])}",
            where=database.location,
            hint="give this tool a database, or with PostgreSQL a schema, of its own",
        )


def _migrate(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - a third of a second that only an upgrade is to pay
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(migrations()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
