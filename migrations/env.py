"""How Alembic reaches the database: on the connection it is handed (reconciler/store/schema.py), else at `-x url=...`."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection, TypeDecorator

import reconciler.store.schema  # noqa: F401 - puts every table on the metadata
from reconciler.store.database import Database, metadata


def plain_type(kind: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    """Write a column's type as the database knows it: a revision must not change with the program's own types."""
    if kind != "type" or not isinstance(item, TypeDecorator):
        return False
    return f"sa.{item.impl_instance!r}"


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_item=plain_type,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_at(url: str) -> None:
    database = Database.open(url)
    try:
        async with database.begin() as connection:
            await connection.run_sync(run)
    finally:
        await database.close()


handed: Connection | None = context.config.attributes.get("connection")
if handed is not None:
    run(handed)
else:
    asyncio.run(run_at(context.get_x_argument(as_dictionary=True).get("url", "sqlite://")))
