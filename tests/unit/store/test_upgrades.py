"""Databases that earlier revisions have left, with all their rows, are brought up to date; and go on as if nothing had been."""

from __future__ import annotations

import hashlib
import json
import tarfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, DateTime, bindparam, inspect, text

from reconciler.model.errors import StateError
from reconciler.model.payment import Accept, PaymentMethod, PaymentState
from reconciler.store import schema
from reconciler.store.database import Database, metadata
from reconciler.store.payments import Payments
from tests.selling import payment

pytestmark = pytest.mark.usefixtures("real_migrations")

KEPT = sorted((Path(__file__).parents[2] / "migrations").glob("*.json"))


def test_the_first_revision_is_kept():
    assert KEPT[0].stem == "0001"
    assert {path.stem for path in KEPT} <= {revision[:4] for revision in schema.revisions()}


@dataclass(frozen=True)
class Kept:
    """A database as a revision left it: its tables' columns with SQLite's types, and their rows."""

    revision: str
    at: int
    tables: dict[str, Any]

    def write(self, connection: Connection) -> None:
        """By plain SQL: what the program says of its tables today is not what it said then."""
        _alembic(connection, "upgrade", self.revision)
        is_postgresql = connection.dialect.name == "postgresql"
        for name, table in self.tables.items():
            columns = table["columns"]
            values = ", ".join(f":{column}" for column in columns)
            insert = text(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({values})")
            for row in table["rows"]:
                typed = zip(columns.items(), row, strict=True)
                connection.execute(
                    insert, {column: _value(kind, value, is_postgresql) for (column, kind), value in typed}
                )
            if is_postgresql and columns.get("id") == "INTEGER":
                connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id)) FROM {name}"))


def _value(kind: str, value: Any, is_postgresql: bool) -> Any:
    if value is None:
        return None
    if kind == "BLOB":
        return bytes.fromhex(value)
    if not is_postgresql:
        return value
    if kind == "DATETIME":
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return bool(value) if kind == "BOOLEAN" else value


def _alembic(connection: Connection, direction: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.migrations()))
    config.attributes["connection"] = connection
    getattr(command, direction)(config, revision)


def read(path: Path) -> Kept:
    return Kept(**json.loads(path.read_text(encoding="utf-8")))


@pytest.fixture(params=KEPT, ids=[path.stem for path in KEPT])
def kept(request) -> Kept:
    return read(request.param)


@pytest.fixture
def old_url(databases, environment, tmp_path) -> str:
    """Where a producer's database will be looked for, with nothing in it."""
    if not environment:
        path = tmp_path / "home" / "embedded" / "state.db"
        path.parent.mkdir(parents=True)
        return f"sqlite:///{path}"
    environment["DATABASE_URL"] = databases.create_empty()
    return environment["DATABASE_URL"]


@pytest.fixture
async def old(old_url, kept):
    """A database as the revision left it."""
    database = Database.open(old_url)
    async with database.begin() as connection:
        await connection.run_sync(kept.write)
    yield database
    await database.close()


def test_every_table_of_its_revision_has_a_row_there(kept):
    assert not [name for name, table in kept.tables.items() if not table["rows"]]


async def test_every_revision_since_then_takes_all_rows_along_and_ends_at_the_tables_of_today(old, kept):
    before = kept.tables

    def step(connection: Connection) -> None:
        for revision in schema.revisions():
            if revision[:4] > kept.revision:
                _alembic(connection, "upgrade", revision[:4])

    def count(connection: Connection) -> dict[str, int]:
        present = inspect(connection).get_table_names()
        return {
            name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()
            for name in before
            if name in present
        }

    async with old.begin() as connection:
        await connection.run_sync(step)
        assert await connection.run_sync(count) == {name: len(table["rows"]) for name, table in before.items()}
        for table in metadata.sorted_tables:  # today's program reads every row of them
            (await connection.execute(table.select())).all()
    await schema.check(old)


async def test_commands_refuse_it_until_it_is_upgraded_and_then_find_everything_in_its_place(
    old, kept, producer, tmp_path, monkeypatch
):
    with tarfile.open(KEPT[0].with_name(f"{kept.revision}.tar.xz"), "r:xz") as archive:
        archive.extractall(tmp_path / "kept", filter="data")
    (producer.home / "embedded").mkdir(parents=True, exist_ok=True)
    (tmp_path / "kept" / "world").rename(producer.home / "embedded" / "world")
    producer.folder = tmp_path / "kept" / "producer"
    producer.environment["OVERLAY_IDENTITY_KEY"] = hashlib.sha256(f"kept at {kept.revision}".encode()).hexdigest()
    started = time.time()
    monkeypatch.setattr("reconciler.cli.wiring.clock", lambda: kept.at + time.time() - started)

    if kept.revision < schema.newest():
        with pytest.raises(StateError, match="behind this tool"):
            await producer.plan()
    assert (await schema.upgrade(old)).before == kept.revision
    assert (await producer.plan()).plan.is_empty
    assert not (await producer.plan()).plan.drift
    audited = await producer.audit()
    assert audited.balanced
    producer.manifest.write_text(producer.manifest.read_text().replace("Second", "Third"))
    finished = await producer.apply()
    assert finished.applied.generation == 3
    assert (await producer.plan()).plan.is_empty
    assert (await producer.audit()).balanced


async def test_payments_from_before_there_were_other_methods_are_what_they_were(databases):
    """Revision 0015 gives them a method, the output that pays, and what ARC has to say."""
    made = payment(terms=None, state=PaymentState.ACCEPTED, doubted=None)
    row = {
        "txid": bytes.fromhex(made.txid),
        "buyer": bytes.fromhex(made.buyer),
        "good": made.good,
        "price": made.price,
        "satoshis": made.satoshis,
        "prefix": made.tender.prefix,
        "suffix": made.tender.suffix,
        "beef": made.beef.to_atomic(made.txid),
        "state": "accepted",
        "booked": datetime.fromtimestamp(made.booked, UTC),
    }
    database = Database.open(databases.create_empty())
    async with database.begin() as connection:
        await connection.run_sync(partial(_alembic, direction="upgrade", revision="0014"))
        insert = f"INSERT INTO payments ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})"
        await connection.execute(text(insert).bindparams(bindparam("booked", type_=DateTime(timezone=True))), row)
        await connection.run_sync(partial(_alembic, direction="upgrade", revision="head"))
    async with database.reading() as connection:
        found = await Payments(connection).find(made.txid)
    assert found == made
    assert (found.tender.method, found.tender.vout, found.accept) == (PaymentMethod.BRC105, 0, Accept.SEEN)
    await database.close()
