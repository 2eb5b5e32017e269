"""Database transactions in threads of their own, and written together."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from psycopg import OperationalError
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from reconciler.model.errors import StateError, UnreachableError
from reconciler.store import commits, patience
from reconciler.store import database as store
from reconciler.store.database import Database
from reconciler.store.documents import Documents, documents
from reconciler.store.settings import settings
from tests.patience import PATIENCE, SOON


@pytest.fixture
async def another(database_url):
    database = Database.open(database_url)
    yield database
    await database.close()


@pytest.fixture(params=["write", "jot", "jot on a slow disk"])
def writing(request, database, monkeypatch):
    """Every way to write."""
    way, _, slowly = request.param.partition(" ")
    if slowly:
        monkeypatch.setattr(commits, "_SLOW", 0.0)  # all but one in fifty commits go to a thread
    return getattr(database, way)


def put(data: bytes):
    async def work(connection):
        (digest,) = await Documents(connection).put(data)
        return digest

    return work


async def kept(connection):
    return sorted(await connection.scalars(select(documents.c.data)))


async def test_what_was_answered_is_there_for_everybody(database, writing, another):
    digest = await writing(put(b"one"))

    async def found(connection):
        return await Documents(connection).get(digest)

    assert await another.read(found) == b"one"


async def test_works_that_come_at_the_same_time_are_all_kept_and_each_gets_its_own_answer(database, writing):
    data = [bytes([number]) for number in range(250)]

    digests = await asyncio.gather(*(writing(put(each)) for each in data))

    assert len(set(digests)) == 250
    assert await database.read(kept) == sorted(data)


async def test_works_are_done_in_the_order_in_which_they_came(database, writing):
    seen = []

    def count(number):
        async def work(connection):
            seen.append((number, len(await kept(connection))))
            await Documents(connection).put(bytes([number]))

        return work

    await asyncio.gather(*(writing(count(number)) for number in range(20)))

    assert seen == [(number, number) for number in range(20)]


async def test_one_that_raises_takes_back_what_it_did_and_nothing_else(database, writing):
    async def spoiled(connection):
        await Documents(connection).put(b"spoiled")
        raise StateError("no")

    works = [put(b"a"), put(b"b"), spoiled, put(b"c")]
    outcomes = await asyncio.gather(*map(writing, works), return_exceptions=True)

    assert [isinstance(outcome, StateError) for outcome in outcomes] == [False, False, True, False]
    assert await database.read(kept) == [b"a", b"b", b"c"]


async def test_where_the_database_fails_under_one_the_others_are_done_all_the_same(database, writing):
    async def twice(connection):
        rows = [{"digest": "00" * 32, "data": b"twice"}] * 2
        await connection.execute(insert(documents), rows)

    works = [put(b"a"), put(b"b"), twice, put(b"c")]
    outcomes = await asyncio.gather(*map(writing, works), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [str, str, IntegrityError, str]
    assert await database.read(kept) == [b"a", b"b", b"c"]


@pytest.mark.only("postgresql")
async def test_a_work_that_reads_cannot_write(database):
    with pytest.raises(StateError):
        await database.read(put(b"one"))


@pytest.mark.only("postgresql")
@pytest.mark.parametrize("way", ["write", "jot", "write_apart"])
async def test_what_writes_sees_what_others_have_committed_whatever_the_servers_default(database, way):
    async def level(connection):
        return await connection.scalar(text("SHOW transaction_isolation"))

    assert await getattr(database, way)(level) == "read committed"


async def test_a_work_that_waits_for_something_else_is_refused(database, writing):
    async def dreaming(connection):
        await connection.execute(insert(settings), {"name": "dream", "value": b"1"})
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="waited for something else"):
        await writing(dreaming)

    async def dreamt(connection):
        return await connection.scalar(select(settings.c.value).where(settings.c.name == "dream"))

    assert await database.read(dreamt) is None


async def test_works_and_transactions_of_this_process_wait_for_each_other_in_turn(database, writing):
    async def by_transaction(data):
        async with database.begin() as connection:
            await Documents(connection).put(data)

    both = [work for number in range(20) for work in (by_transaction(bytes([number])), writing(put(b"w%d" % number)))]
    await asyncio.gather(*both)

    assert len(await database.read(kept)) == 40


async def test_who_asked_may_go_away_and_the_others_get_their_answers(database, writing):
    gone, staying = (asyncio.create_task(writing(put(data))) for data in (b"gone", b"staying"))
    await asyncio.sleep(0)
    gone.cancel()

    assert await staying
    assert b"staying" in await database.read(kept)


async def test_what_is_jotted_down_waits_for_other_processes_without_keeping_anybody_here(database, another):
    async with another.begin() as connection:
        await Documents(connection).put(b"theirs")
        jotting = asyncio.create_task(database.jot(put(b"ours")))
        begun = time.monotonic()
        for _ in range(50):
            await asyncio.sleep(0.001)
        assert time.monotonic() - begun < SOON  # a driver that waits would have kept this loop for half a minute
        assert not jotting.done()

    await jotting

    assert await database.read(kept) == [b"ours", b"theirs"]


@pytest.mark.parametrize("way", ["write", "jot"])
async def test_where_the_database_is_busy_all_that_wait_are_told_so(database_url, another, monkeypatch, way):
    monkeypatch.setattr(patience, "BUSY_SECONDS", 0.2)
    impatient = Database.open(database_url)
    writing = getattr(impatient, way)
    async with another.begin() as connection:
        await Documents(connection).put(b"theirs")
        outcomes = await asyncio.gather(*(writing(put(bytes([each]))) for each in range(5)), return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {UnreachableError}
    assert await writing(put(b"later"))
    await impatient.close()


async def test_who_waits_too_long_for_another_writer_of_this_process_is_told_that_the_database_is_busy(
    database, monkeypatch
):
    monkeypatch.setattr(patience, "BUSY_SECONDS", 0.1)
    async with database.begin():
        with pytest.raises(UnreachableError, match="busy"):
            await database.write(put(b"one"))
        with pytest.raises(UnreachableError, match="busy"):
            async with database.begin():
                pass

    assert await database.write(put(b"two"))


@pytest.mark.parametrize("way", ["write", "jot"])
async def test_who_writes_after_the_database_was_closed_is_told_and_does_not_wait_for_ever(database_url, way):
    closed = Database.open(database_url)
    await closed.close()

    with pytest.raises(RuntimeError):
        async with asyncio.timeout(PATIENCE):
            await getattr(closed, way)(put(b"late"))


async def test_what_is_jotted_down_and_what_is_written_come_in_one_order(database):
    seen = []

    def note(number):
        async def work(_):
            seen.append(number)

        return work

    await asyncio.gather(*((database.jot, database.write)[number % 2](note(number)) for number in range(20)))

    assert seen == list(range(20))


@pytest.mark.only("sqlite")
async def test_what_is_jotted_down_has_its_statements_run_where_it_is_asked_for(database):
    async def where(_):
        return threading.current_thread()

    assert await database.jot(where) is threading.current_thread()
    assert await database.write(where) is not threading.current_thread()


@pytest.mark.parametrize("way", ["write", "jot"])
async def test_whatever_comes_in_between_who_waits_is_told_and_the_next_one_is_served(database, monkeypatch, way):
    def failing(*_):
        raise MemoryError

    with monkeypatch.context() as failed:
        for name in ("together", "side_by_side"):
            failed.setattr(store, name, failing)
        with pytest.raises(MemoryError):
            async with asyncio.timeout(PATIENCE):
                await getattr(database, way)(put(b"one"))
    await getattr(database, way)(put(b"two"))
    assert await database.read(kept) == [b"two"]


async def test_a_work_that_broke_off_while_it_read_does_not_keep_later_ones_at_its_moment(database):
    half_read = []

    async def broken(connection):
        found = await connection.execute(select(documents.c.data))
        half_read.extend((found, found.fetchone()))
        raise ValueError("not to be read")

    await asyncio.gather(*(database.write(put(bytes([number]))) for number in range(3)))
    with pytest.raises(ValueError, match="not to be read"):
        await database.glance(broken)
    await database.write(put(b"later"))
    assert b"later" in await database.glance(kept)


@pytest.mark.only("postgresql")
async def test_what_may_have_been_committed_before_the_connection_was_lost_is_not_done_again(database, monkeypatch):
    dialect, runs = database._writing.dialect, []
    honest = dialect.do_commit

    def lost(connection):
        honest(connection)
        connection.dbapi_connection.close()
        raise OperationalError("the server is gone")

    def count(number):
        async def work(connection):
            runs.append(number)
            await Documents(connection).put(bytes([number]))

        return work

    with monkeypatch.context() as cut:
        cut.setattr(dialect, "do_commit", lost)
        outcomes = await asyncio.gather(*(database.write(count(number)) for number in range(3)), return_exceptions=True)
    assert ({type(outcome) for outcome in outcomes}, sorted(runs)) == ({UnreachableError}, [0, 1, 2])
    assert len(await database.read(kept)) == 3
