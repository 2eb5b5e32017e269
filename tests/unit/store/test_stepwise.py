"""Transactions that are lived in: cut off at any moment they end soon, and leave the connection as they found it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time

import psycopg
import pytest
from sqlalchemy import text

from reconciler.model.errors import UnreachableError
from reconciler.store import database as store
from reconciler.store import patience, stepwise
from reconciler.store.database import Database
from reconciler.store.documents import Documents, documents
from reconciler.store.inserts import insert_new
from reconciler.store.settings import Settings
from tests.patience import SOON

ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(60)",
}
"""Seconds, with everything that a busy machine does besides."""


@pytest.fixture
async def another(database_url):
    opened = Database.open(database_url)
    yield opened
    await opened.close()


async def endless(database: Database, way: str) -> None:
    async with getattr(database, way)() as connection:
        await connection.execute(text(ENDLESS[connection.dialect.name]))


async def cancelled(task: asyncio.Task[None], times: int = 1) -> float:
    """Seconds until a task has ended."""
    begun = time.monotonic()
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    return time.monotonic() - begun


async def endless_but_for_a_moment(database: Database) -> None:
    task = asyncio.create_task(endless(database, "begin"))
    await asyncio.sleep(0.1)
    await cancelled(task)


@pytest.mark.parametrize("way", ["begin", "reading"])
@pytest.mark.parametrize("times", [1, 3])
async def test_a_statement_that_takes_long_is_stopped(database, way, times):
    task = asyncio.create_task(endless(database, way))
    await asyncio.sleep(0.3)
    assert await cancelled(task, times) < SOON
    async with database.begin() as connection:
        await Settings(connection).put("name", b"value")
        assert await Settings(connection).get("name") == b"value"


@pytest.mark.parametrize("turns", range(6))
async def test_a_statement_that_is_cancelled_before_it_runs_is_stopped(database, turns):
    """What is told to stop may not be at it yet, and does not hear."""
    for number in range(10):
        task = asyncio.create_task(endless(database, "reading"))
        for _ in range(turns):
            await asyncio.sleep(0.0003 * number)
        assert await cancelled(task) < SOON


async def test_a_statement_is_stopped_whatever_else_threads_are_busy_with(database):
    release = threading.Event()
    busy = [asyncio.to_thread(release.wait) for _ in range(40)]
    waiting = asyncio.gather(*busy)
    task = asyncio.create_task(endless(database, "begin"))
    await asyncio.sleep(0.3)
    try:
        assert await cancelled(task) < SOON
    finally:
        release.set()
        await waiting


async def test_what_a_stopped_statement_says_is_not_logged(database, caplog):
    task = asyncio.create_task(endless(database, "reading"))
    await asyncio.sleep(0.3)
    await cancelled(task)
    del task
    gc.collect()
    await asyncio.sleep(0)
    assert caplog.records == []


@pytest.mark.parametrize("goes_on", [True, False])
async def test_after_a_cancelled_statement_a_transaction_is_over(database, another, goes_on):
    """An INSERT that is interrupted takes SQLite's whole transaction back: what came later would be in none."""

    async def live() -> None:
        async with database.begin() as connection:
            await Settings(connection).put("name", b"first")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await connection.execute(text(ENDLESS[connection.dialect.name]))
            if goes_on:
                await Settings(connection).put("name", b"second")

    with pytest.raises(RuntimeError, match="was cut off"):
        await live()
    async with another.begin() as connection:
        assert await Settings(connection).get("name") is None


@pytest.mark.parametrize("statement", [True, False])
async def test_a_database_that_is_closed_under_a_cancelled_transaction_is_free(database_url, database, statement):
    opened = Database.open(database_url)

    async def live() -> None:
        async with opened.begin() as connection:
            await Settings(connection).put("name", b"value")
            if statement:
                await connection.execute(text(ENDLESS[connection.dialect.name]))
            await asyncio.sleep(60)

    task = asyncio.create_task(live())
    await asyncio.sleep(0.3)
    task.cancel()
    async with asyncio.timeout(SOON):
        await opened.close()
        assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
        async with database.begin() as connection:
            assert await Settings(connection).get("name") is None


async def test_a_database_that_is_closed_under_a_transaction_lets_go_of_it_at_its_end(database_url, database):
    opened = Database.open(database_url)

    async def live() -> None:
        async with opened.begin() as connection:
            await Settings(connection).put("name", b"value")
            await opened.close()
            await Settings(connection).get("name")

    with pytest.raises(RuntimeError, match="after shutdown"):
        await live()
    async with asyncio.timeout(SOON), database.begin() as connection:
        assert await Settings(connection).get("name") is None


@pytest.mark.only("postgresql")
async def test_readers_that_wait_for_a_table_do_not_keep_who_has_it_from_going_on(database):
    async def read() -> None:
        async with database.reading() as reader:
            await Settings(reader).get("name")

    async with database.begin() as connection:
        await connection.execute(text("LOCK TABLE settings IN ACCESS EXCLUSIVE MODE"))
        readers = [asyncio.create_task(read()) for _ in range(store._PLACES)]
        await asyncio.sleep(0.3)
        async with asyncio.timeout(SOON):
            await Settings(connection).put("name", b"value")
    await asyncio.gather(*readers)


@pytest.mark.only("postgresql")
@pytest.mark.parametrize("refusal", [psycopg.errors.CancellationTimeout, psycopg.OperationalError])
async def test_a_connection_whose_statement_nobody_could_stop_is_used_by_nobody_else(database, monkeypatch, refusal):
    """The request may come through later, and would stop what runs then."""

    def lost(*_, **__):
        raise refusal("nobody heard it")

    with monkeypatch.context() as deaf:
        deaf.setattr(psycopg.Connection, "cancel_safe", lost)
        task = asyncio.create_task(endless(database, "reading"))
        await asyncio.sleep(0.3)
        assert await cancelled(task) < SOON
    async with database.reading() as connection:
        await connection.execute(text("SELECT pg_sleep(0.1)"))


@pytest.mark.only("postgresql")
@pytest.mark.parametrize("way", ["statement", "commit"])
async def test_a_server_that_says_nothing_any_more_is_hung_up_on(database, monkeypatch, way):
    monkeypatch.setattr(stepwise, "_HEARD_SECONDS", 0.5)
    process = asyncio.get_running_loop().create_future()
    frozen = asyncio.Event()

    async def ask() -> None:
        async with database.begin() as connection:
            process.set_result(await connection.scalar(text("SELECT pg_backend_pid()")))
            await frozen.wait()
            if way == "statement":
                await Settings(connection).get("name")

    task = asyncio.create_task(ask())
    os.kill(await process, signal.SIGSTOP)
    try:
        frozen.set()
        await asyncio.sleep(0.3)
        assert await cancelled(task) < SOON
    finally:
        os.kill(process.result(), signal.SIGCONT)
    async with database.begin() as connection:
        await Settings(connection).get("name")


async def test_whoever_waits_for_another_process_can_be_cancelled(database, another):
    async with another.begin() as connection:
        await Settings(connection).get("name")
        task = asyncio.create_task(endless(database, "begin"))
        await asyncio.sleep(0.3)
        assert await cancelled(task) < SOON
    async with database.begin() as connection:
        assert await Settings(connection).get("name") is None


async def test_time_that_runs_out_is_told_from_being_cancelled(database):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await endless(database, "reading")


@pytest.mark.only("postgresql")
async def test_who_is_cancelled_while_the_server_goes_is_cancelled(database):
    begun = asyncio.Event()

    async def wait() -> None:
        async with database.begin() as connection:
            await Settings(connection).put("name", b"value")
            connection._driver.close()
            begun.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(wait())
    await begun.wait()
    assert await cancelled(task) < SOON
    async with database.begin() as connection:
        assert await Settings(connection).get("name") is None


async def test_more_than_there_are_places_for_wait_for_one(database):
    together, most = 0, 0

    async def read() -> None:
        nonlocal together, most
        async with database.reading() as connection:
            together += 1
            most = max(most, together)
            await Settings(connection).get("name")
            await asyncio.sleep(0.01)
            together -= 1

    await asyncio.gather(*(read() for _ in range(5 * store._PLACES)))
    assert 1 < most <= store._PLACES


async def test_who_finds_no_place_in_time_is_told_that_it_is_busy(database, monkeypatch):
    monkeypatch.setattr(patience, "BUSY_SECONDS", 0.2)
    done = asyncio.Event()

    async def stay() -> None:
        async with database.reading():
            await done.wait()

    staying = [asyncio.create_task(stay()) for _ in range(store._PLACES)]
    await asyncio.sleep(0.1)
    with pytest.raises(UnreachableError, match="the database is busy"):
        await endless(database, "reading")
    done.set()
    await asyncio.gather(*staying)


async def test_while_all_places_are_taken_works_are_done(database):
    done = asyncio.Event()

    async def stay() -> None:
        async with database.reading() as connection:
            await Settings(connection).get("name")
            await done.wait()

    staying = [asyncio.create_task(stay()) for _ in range(store._PLACES)]
    await asyncio.sleep(0.1)
    async with asyncio.timeout(SOON):
        await asyncio.gather(
            *(database.write(lambda connection: Settings(connection).put("name", b"value")) for _ in range(10)),
            database.write_apart(lambda connection: Settings(connection).put("more", b"value")),
            endless_but_for_a_moment(database),
            *(database.glance(lambda connection: Settings(connection).get("name")) for _ in range(10)),
            *(database.read(lambda connection: Settings(connection).get("name")) for _ in range(10)),
        )
    done.set()
    await asyncio.gather(*staying)


async def test_rows_and_counts_are_those_of_a_work(database):
    async def ask(connection) -> list[object]:
        rows = [{"digest": f"{number:064x}", "data": b"%d" % number} for number in range(3)]
        query = documents.select().order_by(documents.c.digest)
        first = (await connection.execute(query.limit(1))).one_or_none()
        return [
            await insert_new(connection, documents, rows),
            [row.digest for row in await connection.execute(query)],
            [row[documents.c.data] for row in (await connection.execute(query)).mappings()],
            first and first.digest,
            list(await connection.scalars(query)),
            await connection.scalar(query),
            await connection.changed(documents.update().values(data=b"new")),
            (await connection.exec_driver_sql("SELECT data FROM documents")).all(),
            await Documents(connection).get(f"{1:064x}"),
            await connection.changed(documents.delete()),
        ]

    async with database.begin() as connection:
        stepwise = await ask(connection)
    assert await database.write(ask) == stepwise
    assert stepwise[:3] == [3, [f"{number:064x}" for number in range(3)], [b"0", b"1", b"2"]]
    assert stepwise[-1] == 3
