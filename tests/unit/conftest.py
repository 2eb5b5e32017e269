"""A database of its own for each test, cheap: a copy of one that went through the migrations."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from reconciler.store import schema
from reconciler.store.database import Database


@pytest.fixture(scope="session")
def migrated(tmp_path_factory) -> Path:
    """One file that went through the migrations; tests work on copies of it."""
    path = tmp_path_factory.mktemp("migrated") / "state.db"

    async def make() -> None:
        database = Database.open(f"sqlite+aiosqlite:///{path}")
        await schema.upgrade(database)
        await database.close()

    asyncio.run(make())
    return path


@pytest.fixture
async def database(migrated, tmp_path) -> AsyncIterator[Database]:
    database = Database.open(f"sqlite+aiosqlite:///{shutil.copy(migrated, tmp_path / 'state.db')}")
    yield database
    await database.close()
