"""A producer that has applied what it sells, copied for each test."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.buying import stock
from tests.conftest import SQLITE, Databases, Producer


@pytest.fixture(scope="session")
def stocked_world(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Path:
    """Folder and home of the producer of tests/buying.py, applied, on SQLite."""
    folder = tmp_path_factory.mktemp("stocked")
    (folder / "producer" / "data").mkdir(parents=True)
    databases = Databases(SQLITE, folder, migrated, None)
    producer = stock(Producer(folder / "producer", folder / "home", databases, databases.environment()))
    asyncio.run(producer.apply())
    return folder


@pytest.fixture
def stocked(producer: Producer, databases: Databases, request: pytest.FixtureRequest, tmp_path: Path) -> Producer:
    """The same, of this test alone."""
    if databases.dialect != SQLITE:
        stock(producer)
        asyncio.run(producer.apply())
        return producer
    world = request.getfixturevalue("stocked_world")
    for name in ("producer", "home"):
        shutil.copytree(world / name, tmp_path / name, dirs_exist_ok=True)
    return producer
