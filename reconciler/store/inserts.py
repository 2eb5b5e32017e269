"""Inserting rows that may be there already: each database has its own words for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Executable, Row, Table, dialects

from reconciler.store.works import Connection

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite


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


async def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> int:
    """Insert those rows whose primary key or unique columns are not there yet; returns how many were new."""
    if not rows:
        return 0
    return await connection.changed(_insert_new(connection.dialect.name, table), list(rows))


async def insert_returning_new(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]
) -> Sequence[Row[Any]]:
    """Insert those rows whose primary key is not there yet; returns the primary keys of these."""
    return (await connection.execute(_insert_returning_new(connection.dialect.name, table), list(rows))).all()


async def upsert(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, object]], *, keys: Sequence[str]
) -> None:
    """Insert rows, or overwrite those with the same `keys` (which must be unique together)."""
    if not rows:
        return
    statement = inserting(connection.dialect.name, table)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    await connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=changed), list(rows))
