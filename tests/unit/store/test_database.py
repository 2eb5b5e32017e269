"""What every repository relies on, on both databases: one writer at a time, readers that see one moment, errors by kind."""

from __future__ import annotations

import asyncio
import hashlib

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from reconciler.model.errors import StateError, UnreachableError, UsageError
from reconciler.store import patience
from reconciler.store.database import Database
from reconciler.store.documents import documents
from reconciler.store.host_tables import host_transactions
from reconciler.store.inserts import insert_new, upsert
from reconciler.store.schema import check
from reconciler.store.settings import Settings, settings
from tests.patience import SOON


@pytest.fixture
async def another(database_url):
    """The same database, opened again."""
    opened = Database.open(database_url)
    yield opened
    await opened.close()


async def count_up(database: Database, times: int) -> None:
    for _ in range(times):
        async with database.begin() as connection:
            value = await Settings(connection).get("counter") or b"0"
            await asyncio.sleep(0)  # others may come in between, if they can
            await Settings(connection).put("counter", b"%d" % (int(value) + 1))


async def test_what_a_transaction_has_read_stays_true_until_it_has_written(database, another):
    await asyncio.gather(*(count_up(each, 10) for each in (database, another, database, another)))
    async with database.reading() as connection:
        assert await Settings(connection).get("counter") == b"40"


async def test_a_reader_sees_one_moment_and_neither_waits_nor_is_waited_for(database, another):
    async with database.reading() as reader:
        assert await Settings(reader).get("name") is None
        async with another.begin() as writer:
            await Settings(writer).put("name", b"value")
            assert await Settings(reader).get("name") is None
        assert await Settings(reader).get("name") is None
    async with database.reading() as reader:
        assert await Settings(reader).get("name") == b"value"


@pytest.mark.only("postgresql")
async def test_a_reader_cannot_write(database):
    with pytest.raises(StateError, match="the database cannot be used") as refused:
        async with database.reading() as connection:
            await Settings(connection).put("name", b"value")
    assert "read-only transaction" in refused.value.where
    async with database.begin() as connection:  # the connection is as good as before
        await Settings(connection).put("name", b"value")


async def test_whoever_is_cancelled_leaves_nothing_behind_that_others_would_wait_for(database, another, monkeypatch):
    monkeypatch.setattr(patience, "BUSY_SECONDS", SOON)
    kept = []  # as a log or a debugger keeps them: with the frames in which they came about, and all that these hold
    for number in range(60):
        task = asyncio.create_task(count_up(database, 5))
        await asyncio.sleep(number * 0.0002)
        task.cancel()
        kept += await asyncio.gather(task, return_exceptions=True)
        async with another.begin() as connection:
            await Settings(connection).put("name", b"%d" % number)
    assert any(isinstance(error, asyncio.CancelledError) for error in kept)


async def test_new_rows_are_counted_and_old_ones_stay(database):
    def row(value: int) -> dict[str, object]:
        return {"digest": hashlib.sha256(b"%d" % value).hexdigest(), "data": b"%d" % value}

    async with database.begin() as connection:
        assert await insert_new(connection, documents, []) == 0
        assert await insert_new(connection, documents, [row(1)]) == 1
        assert await insert_new(connection, documents, [row(1)]) == 0
        assert await insert_new(connection, documents, [row(1), row(2), row(3)]) == 2


async def test_the_same_keys_are_overwritten(database):
    async with database.begin() as connection:
        await upsert(connection, settings, [{"name": "a", "value": b"1"}], keys=["name"])
        await upsert(connection, settings, [{"name": "a", "value": b"2"}, {"name": "b", "value": b"3"}], keys=["name"])
        assert await Settings(connection).get("a") == b"2"


async def test_a_mistake_of_this_program_is_not_called_the_databases(database):
    with pytest.raises(IntegrityError):
        async with database.begin() as connection:
            await connection.execute(settings.insert().values(name="a", value=None))


# PostgreSQL: what a server may do to us

on_postgresql = pytest.mark.only("postgresql")

END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'overlay' AND state = '{state}'"


async def ask(url: str) -> None:
    database = Database.open(url)
    try:
        async with database.begin() as connection:
            await Settings(connection).get("name")
    finally:
        await database.close()


@on_postgresql
async def test_a_server_that_is_not_there_is_asked_again_another_time(tmp_path):
    for url in ("postgresql://me:CANARY@127.0.0.1:1/name", f"postgresql://me:CANARY@/name?host={tmp_path}"):
        with pytest.raises(UnreachableError, match="the database cannot be reached") as refused:
            await ask(url)
        assert "DATABASE_URL" in refused.value.hint
        assert "CANARY" not in f"{refused.value.message}{refused.value.hint}{refused.value.where}"


@on_postgresql
async def test_a_database_that_does_not_exist_is_named(server):
    with pytest.raises(UnreachableError) as refused:
        await ask(server.url("nowhere"))
    assert 'database "nowhere" does not exist' in refused.value.where


@on_postgresql
async def test_a_wrong_password_is_said_and_not_shown(server, databases):
    server.run("CREATE ROLE vendor LOGIN PASSWORD 'right'")
    try:
        url = databases.create()
        for password in (":CANARY", ""):
            with pytest.raises(UnreachableError) as refused:
                await ask(url.replace("postgres@", f"vendor{password}@"))
            assert "password" in refused.value.where
            assert "CANARY" not in refused.value.where
        with pytest.raises(StateError) as refused:  # the right one, but the tables are another role's
            await ask(url.replace("postgres@", "vendor:right@"))
        assert "permission denied" in refused.value.where
    finally:
        server.run("DROP ROLE vendor")


@on_postgresql
async def test_a_role_that_owns_nothing_can_work_with_the_rights_that_are_written_down(server, database_url):
    server.run("CREATE ROLE vendor LOGIN PASSWORD 'right'")
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO vendor")
        owner.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO vendor")
    database = Database.open(database_url.replace("postgres@", "vendor:right@"))
    await check(database)
    async with database.begin() as connection:
        await connection.execute(host_transactions.insert().values(txid="00" * 32, shadowed=False, asked=0))
    await database.close()
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("DROP OWNED BY vendor")
        owner.execute("DROP ROLE vendor")


@on_postgresql
async def test_an_option_that_does_not_exist_is_said(database_url):
    with pytest.raises(UsageError, match="an option that does not exist") as refused:
        await ask(f"{database_url}&schema=public")
    assert '"schema"' in refused.value.where


@on_postgresql
async def test_options_of_the_url_go_before_our_own(database_url):
    database = Database.open(f"{database_url}&application_name=mine")
    async with database.begin() as connection:
        assert await connection.scalar(text("SHOW application_name")) == "mine"
        assert await connection.scalar(text("SHOW transaction_isolation")) == "read committed"
    async with database.reading() as connection:
        assert await connection.scalar(text("SHOW transaction_isolation")) == "repeatable read"
    await database.close()


@on_postgresql
async def test_a_connection_that_breaks_off_takes_its_transaction_with_it(database, another, server):
    async def write() -> None:
        async with database.begin() as connection:
            await Settings(connection).put("name", b"value")
            server.run(END.format(state="idle in transaction"))
            await Settings(connection).put("more", b"value")

    with pytest.raises(UnreachableError, match="cannot be reached"):
        await write()
    for each in (database, another):  # and whoever comes next gets another one
        async with each.begin() as connection:
            assert await Settings(connection).get("name") is None


@on_postgresql
async def test_idle_connections_that_a_restart_has_ended_are_noticed_before_they_are_used(database, server):
    async with database.begin() as connection:
        await Settings(connection).put("name", b"value")
    server.run(END.format(state="idle"))
    async with database.begin() as connection:
        assert await Settings(connection).get("name") == b"value"


@on_postgresql
async def test_who_waits_too_long_for_another_writer_is_told_that_the_database_is_busy(database, another, monkeypatch):
    monkeypatch.setattr("reconciler.store.patience.BUSY_SECONDS", 0.05)
    async with database.begin():
        with pytest.raises(UnreachableError, match="the database is busy"):
            async with another.begin():
                pytest.fail("two transactions may write at once")


@on_postgresql
async def test_a_writer_that_does_not_go_on_is_ended_so_that_others_can(database, another, monkeypatch):
    monkeypatch.setattr("reconciler.store.patience.IDLE_SECONDS", 0.05)

    async def write_late() -> None:
        async with database.begin() as stuck:
            async with another.begin() as connection:  # waits until the server has ended the other
                await Settings(connection).put("name", b"value")
            await Settings(stuck).put("name", b"too late")

    with pytest.raises(UnreachableError, match="cannot be reached"):
        await write_late()
    async with database.reading() as connection:
        assert await Settings(connection).get("name") == b"value"


@pytest.mark.only("sqlite")
async def test_who_waits_too_long_for_a_file_is_told_that_the_database_is_busy(database_url, monkeypatch):
    monkeypatch.setattr("reconciler.store.patience.BUSY_SECONDS", 0.05)
    first, second = Database.open(database_url), Database.open(database_url)
    async with first.begin():
        with pytest.raises(UnreachableError, match="the database is busy"):
            async with second.begin():
                pytest.fail("two transactions may write at once")
    await first.close()
    await second.close()
