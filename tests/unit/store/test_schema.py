from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import ProgrammingError

from reconciler.model.errors import StateError
from reconciler.store import schema
from reconciler.store.database import Database, metadata
from reconciler.store.handovers import SOMEBODY, Handovers
from reconciler.store.schema import Upgraded
from tests.patience import PATIENCE

pytestmark = pytest.mark.usefixtures("real_migrations")

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
async def fresh(databases):
    database = Database.open(databases.create_empty())
    yield database
    await database.close()


async def set_version(database, version):
    async with database.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})


async def test_the_schema_by_migrations_equals_the_metadata(database):
    def difference(connection):
        # Defaults are compared by the next test: Alembic asks PostgreSQL whether two JSON values are equal, and it cannot say.
        options = {"compare_type": True, "compare_server_default": connection.dialect.name == "sqlite"}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    async with database.begin() as connection:
        assert await connection.run_sync(difference) == []


async def test_the_schema_by_migrations_is_what_the_metadata_would_create(database, fresh):
    """Alembic compares neither keys' columns nor checks nor whether a foreign key waits for the commit."""

    def shape(connection):
        inspector = inspect(connection)
        return {
            table: (
                {column["name"]: f"{column}" for column in inspector.get_columns(table)},
                inspector.get_pk_constraint(table),
                *(sorted(map(repr, get(table))) for get in _parts(inspector)),
            )
            for table in inspector.get_table_names()
            if table != "alembic_version"
        }

    async with fresh.begin() as connection:
        await connection.run_sync(metadata.create_all)
        created = await connection.run_sync(shape)
    async with database.begin() as connection:
        assert await connection.run_sync(shape) == created


def _parts(inspector):
    return (
        inspector.get_foreign_keys,
        inspector.get_unique_constraints,
        inspector.get_indexes,
        inspector.get_check_constraints,
    )


def test_every_module_of_this_package_with_tables_is_migrated():
    package = Path(schema.__file__).parent
    with_tables = {path.stem for path in package.glob("*.py") if "= Table(\n" in path.read_text()}
    assert {module.__name__.rpartition(".")[2] for module in schema.TABLES} == with_tables


async def test_the_tables_of_the_first_tool_keep_their_names(database):
    async with database.begin() as connection:
        tables = set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))
    assert tables >= {
        "producer_identities",
        "producer_advertisements",
        "published_content",
        "producer_streams",
        "producer_consumers",
        "producer_revenue",
        "producer_analytics",
        "content_distribution",
    }


def test_revisions_are_one_line_and_numbered_upwards():
    config = Config()
    config.set_main_option("script_location", str(schema.migrations()))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [schema.newest()]
    newest_first = [script.revision for script in scripts.walk_revisions()]
    assert newest_first == [f"{number:04}" for number in range(len(newest_first), 0, -1)]


async def test_upgrading_a_current_database_does_nothing(database, fresh):
    newest = schema.newest()
    assert await schema.upgrade(database) == Upgraded(before=newest, now=newest, applied=())
    assert await schema.upgrade(fresh) == Upgraded(before=None, now=newest, applied=schema.revisions())
    assert await schema.upgrade(fresh) == Upgraded(before=newest, now=newest, applied=())


async def test_a_downgrade_leaves_nothing_behind(database):
    def downgrade(connection):
        from alembic import command

        config = Config()
        config.set_main_option("script_location", str(schema.migrations()))
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        return inspect(connection).get_table_names()

    async with database.begin() as connection:
        assert await connection.run_sync(downgrade) == ["alembic_version"]


async def test_a_current_database_passes_the_check(database):
    await schema.check(database)


async def test_a_fresh_database_fails_the_check_with_the_command_to_run(fresh):
    with pytest.raises(StateError, match="not set up yet") as refused:
        await schema.check(fresh)
    assert "overlay db upgrade" in refused.value.hint


async def test_a_database_that_is_behind_fails_the_check_with_the_command_to_run(database):
    await set_version(database, "0000")
    with pytest.raises(StateError, match="revision 0000, behind") as refused:
        await schema.check(database)
    assert "overlay db upgrade" in refused.value.hint


async def test_a_database_that_is_ahead_is_refused_because_the_tool_is_too_old(database):
    await set_version(database, "9999")
    for action in (schema.check, schema.upgrade):
        with pytest.raises(StateError, match="revision 9999") as refused:
            await action(database)
        assert "too old" in refused.value.hint


async def test_an_upgrade_that_fails_midway_leaves_the_database_as_it_was(fresh):
    async with fresh.begin() as connection:
        await connection.execute(text("CREATE TABLE other (name TEXT)"))
        await connection.execute(text("CREATE INDEX ix_transactions_height ON other (name)"))  # in the migration's way
    with pytest.raises((StateError, ProgrammingError)):
        await schema.upgrade(fresh)
    async with fresh.begin() as connection:
        assert await connection.run_sync(lambda sync: inspect(sync).get_table_names()) == ["other"]


async def test_tables_of_another_program_are_neither_used_nor_touched(fresh):
    async with fresh.begin() as connection:
        await connection.execute(text("CREATE TABLE settings (name TEXT)"))
    for action in (schema.check, schema.upgrade, schema.prepare):
        with pytest.raises(StateError, match="tables that this tool did not make: settings") as refused:
            await action(fresh)
        assert "of its own" in refused.value.hint


@pytest.mark.parametrize("version", ["ae1027a6acf", "12345", ""])
async def test_a_database_that_another_program_migrates_is_refused(database, version):
    await set_version(database, version)
    for action in (schema.check, schema.upgrade, schema.prepare):
        with pytest.raises(StateError, match="belongs to another program") as refused:
            await action(database)
        assert f"revision is {version}," in refused.value.hint


async def test_a_database_that_went_through_two_histories_is_refused(database):
    async with database.begin() as connection:
        await connection.execute(text("INSERT INTO alembic_version (version_num) VALUES ('ae1027a6acf')"))
    with pytest.raises(StateError, match="belongs to another program"):
        await schema.check(database)


UPGRADE = """
import asyncio, sys
from reconciler.store import schema
from reconciler.store.database import Database

async def main():
    database = Database.open(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    changed = await schema.upgrade(database)
    await schema.check(database)
    await database.close()
    print(bool(changed.applied))

asyncio.run(main())
"""


def test_of_four_processes_that_open_a_fresh_database_one_upgrades_it_and_all_go_on(databases):
    command = [sys.executable, "-c", UPGRADE, databases.create_empty()]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT) for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=PATIENCE) for process in processes]
    assert [errors for _, errors in answers] == [""] * 4
    assert sorted(output for output, _ in answers) == ["False\n"] * 3 + ["True\n"]


async def test_an_everyday_check_does_not_import_alembic(database_url):
    program = """
import asyncio, sys
from reconciler.store import schema
from reconciler.store.database import Database

async def main():
    database = Database.open(sys.argv[1])
    await schema.check(database)
    await schema.upgrade(database)
    await database.close()

asyncio.run(main())
print("alembic" in sys.modules)
"""
    command = [sys.executable, "-c", program, database_url]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, cwd=ROOT, env=dict(os.environ))
    output, _ = await process.communicate()
    assert output == b"False\n"


async def test_several_databases_are_set_up_side_by_side_in_one_process(databases):
    opened = [Database.open(databases.create_empty()) for _ in range(3)]
    await asyncio.gather(*(schema.upgrade(database) for database in opened))
    for database in opened:
        await schema.check(database)
        await database.close()


async def test_what_was_on_its_way_before_handovers_were_written_down_counts_as_given_to_somebody(
    database, journalled, make_transaction
):
    """So that no verdict of those who are known can free its coins."""
    states = ("prepared", "sending", "seen", "void")
    made = {state: (make_transaction(state), make_transaction(f"after {state}")) for state in states}
    async with database.begin() as connection:
        for state, transactions in made.items():
            await journalled(connection, state, *transactions)
            await connection.execute(
                text("update journal set state = :state where id = :id"), {"state": state, "id": state}
            )
        await connection.run_sync(lambda sync: _migrate(sync, "0003"))
    assert (await schema.upgrade(database)).before == "0003"
    async with database.begin() as connection:
        sent = await Handovers(connection).sent(each.txid for pair in made.values() for each in pair)
        assert await Handovers(connection).of(made["sending"][0].txid) == {SOMEBODY: None}
    assert sent == {made["sending"][0].txid, made["void"][0].txid, *(each.txid for each in made["seen"])}


def _migrate(connection, revision):
    from alembic import command

    config = Config()
    config.set_main_option("script_location", str(schema.migrations()))
    config.attributes["connection"] = connection
    command.downgrade(config, revision)
