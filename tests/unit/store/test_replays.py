"""Messages are seen once, by whoever looks."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from reconciler.model.errors import OverlayError
from reconciler.store.database import Database
from reconciler.store.replays import Replays, _row, replays
from tests.patience import PATIENCE

NOW = 1_700_000_000
UNTIL = NOW + 3600


async def rows(database: Database) -> int:
    async with database.reading() as connection:
        return len((await connection.execute(replays.select())).all())


async def test_a_message_is_seen_first_once(database):
    seen = Replays(database)
    assert await seen.first(b"a", until=UNTIL, now=NOW)
    assert not await seen.first(b"a", until=UNTIL, now=NOW)
    assert await seen.first(b"b", until=UNTIL, now=NOW)


async def test_of_many_at_once_one_is_first(database):
    seen = Replays(database)
    answers = await asyncio.gather(*(seen.first(b"a", until=UNTIL, now=NOW) for _ in range(50)))
    assert sum(answers) == 1


async def test_of_many_at_once_in_several_processes_each_is_first_once(database, database_url):
    others = [Database.open(database_url) for _ in range(2)]
    all_of_them = [Replays(each) for each in (database, *others)]
    names = [str(number).encode() for number in range(30)]
    # Each in another order: rows that are written crosswise must not wait for each other for ever.
    asked = [
        seen.first(name, until=UNTIL, now=NOW)
        for place, seen in enumerate(all_of_them)
        for name in (names[place * 10 :] + names[: place * 10])
    ]
    answers = await asyncio.gather(*asked)
    for each in others:
        await each.close()
    assert sum(answers) == len(names)


@pytest.mark.only("postgresql")
async def test_who_comes_while_another_process_writes_it_is_not_first_and_no_error(database, database_url):
    """Whatever isolation the server has by default: of the tests' server it is SERIALIZABLE."""
    another = Database.open(database_url)
    seen, rival = Replays(database), Replays(another)
    await seen.first(b"another", until=UNTIL, now=NOW)
    await rival.first(b"a third", until=UNTIL, now=NOW)
    async with database.begin() as connection:
        span, message = _row(b"a", UNTIL)
        await connection.execute(replays.insert(), {"span": span, "message": message})
        asking = asyncio.create_task(rival.first(b"a", until=UNTIL, now=NOW))
        await waits_for_a_lock(connection)
    assert not await asking
    await another.close()


async def waits_for_a_lock(connection) -> None:
    """Until somebody waits for what this connection has written."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")
    async with asyncio.timeout(PATIENCE):
        while not await connection.scalar(waiting):  # noqa: ASYNC110 - a server sets no Event
            await asyncio.sleep(0.01)


async def test_another_process_has_seen_it_after_a_restart(database, database_url):
    await Replays(database).first(b"a", until=UNTIL, now=NOW)
    later = Database.open(database_url)
    assert not await Replays(later).first(b"a", until=UNTIL, now=NOW)
    await later.close()


async def test_what_belongs_to_sessions_that_are_over_is_forgotten_and_nothing_else(database):
    seen = Replays(database)
    await seen.first(b"short", until=NOW + 100, now=NOW)  # and ten minutes more, for clocks that are apart
    await seen.first(b"long", until=UNTIL, now=NOW)
    assert await rows(database) == 2
    assert not await seen.first(b"long", until=UNTIL, now=NOW + 800)
    assert await rows(database) == 1
    assert not await seen.first(b"long", until=UNTIL, now=UNTIL)


async def test_everyone_who_waits_is_told_that_the_database_fails(tmp_path):
    broken = Database.open(f"sqlite:///{tmp_path / 'nothing' / 'here.db'}")
    seen = Replays(broken)
    answers = await asyncio.gather(
        *(seen.first(bytes([number]), until=UNTIL, now=NOW) for number in range(5)), return_exceptions=True
    )
    await broken.close()
    assert all(isinstance(answer, OverlayError) for answer in answers)
    assert len(answers) == 5


async def test_one_who_gives_up_does_not_hinder_the_others(database):
    seen = Replays(database)
    gone = asyncio.create_task(seen.first(b"gone", until=UNTIL, now=NOW))
    stays = asyncio.create_task(seen.first(b"stays", until=UNTIL, now=NOW))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert not await seen.first(b"gone", until=UNTIL, now=NOW)


async def test_a_memory_keeps_its_name_as_long_as_it_forgets_nothing(database, database_url, databases):
    name = await Replays(database).epoch(bytes(16))
    later, another = Database.open(database_url), Database.open(databases.create())
    assert name == bytes(16)
    assert await Replays(later).epoch(b"1" * 16) == name
    assert await Replays(later).first(b"a", until=UNTIL, now=NOW + 10**9)
    assert await Replays(later).epoch(b"1" * 16) == name
    assert await Replays(another).epoch(b"2" * 16) != name
    await later.close()
    await another.close()


async def test_what_was_seen_is_known_without_being_seen_again(database):
    seen = Replays(database)
    assert not await seen.seen(b"a", until=UNTIL)
    await seen.first(b"a", until=UNTIL, now=NOW)
    assert await seen.seen(b"a", until=UNTIL)
    assert not await seen.seen(b"b", until=UNTIL)
