"""What consumers had in a window, counted by several processes."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from reconciler.model.errors import UnreachableError
from reconciler.model.ids import IdentityKey
from reconciler.store.usage import Usage, Used, Window, used

ALICE, BOB = (IdentityKey("02" + letter * 64) for letter in "ab")
DAY = Window.at(1_800_000_000, 86_400)
HOUR = Window.at(1_800_000_000, 3600)


def known(database, consumer=ALICE, window=DAY):
    return database.read(partial(used, consumer=consumer, window=window))


def test_a_window_holds_the_present_and_ends_at_a_multiple_of_its_length():
    assert Window.at(1_799_999_999.9, 3600) == Window(3600, 1_800_000_000)
    assert Window.at(1_800_000_000, 3600) == Window(3600, 1_800_003_600)


async def test_what_two_processes_count_adds_up(database):
    one, other = Usage(database), Usage(database)
    for _ in range(50):
        one.count(ALICE, DAY, Used(1, 10))
        other.count(ALICE, DAY, Used(1, 100))
        await asyncio.sleep(0)
    await one.written()
    await other.written()
    assert await known(database) == Used(100, 5500)


async def test_consumers_and_windows_are_counted_apart(database):
    usage = Usage(database)
    usage.count(ALICE, DAY, Used(1, 2))
    usage.count(BOB, DAY, Used(3, 4))
    usage.count(ALICE, HOUR, Used(5, 6))
    await usage.written()
    assert [await known(database, *each) for each in ((ALICE, DAY), (BOB, DAY), (ALICE, HOUR), (BOB, HOUR))] == [
        Used(1, 2),
        Used(3, 4),
        Used(5, 6),
        Used(),
    ]


async def test_until_it_is_written_this_process_knows_of_it(database):
    usage = Usage(database)
    usage.count(ALICE, DAY, Used(1, 7))
    assert usage.unwritten(ALICE, DAY) == Used(1, 7)
    await usage.written()
    assert usage.unwritten(ALICE, DAY) == Used()


async def test_what_could_not_be_written_counts_and_is_written_later(database):
    class Away:
        gone = True

        async def write(self, work):
            if self.gone:
                raise UnreachableError("the database is away")
            return await database.write(work)

    away = Away()
    usage = Usage(away)
    usage.count(ALICE, DAY, Used(1, 7))
    await usage.written()
    assert usage.unwritten(ALICE, DAY) == Used(1, 7)
    away.gone = False
    usage.count(ALICE, DAY, Used(1, 1))
    await usage.written()
    assert usage.unwritten(ALICE, DAY) == Used()
    assert await known(database) == Used(2, 8)


@pytest.mark.parametrize(("later", "kept"), [(0, Used(1, 1)), (600, Used(1, 1)), (7200, Used())])
async def test_windows_that_are_over_are_forgotten(database, later, kept):
    usage = Usage(database)
    usage.count(ALICE, HOUR, Used(1, 1))
    await usage.written()
    usage.count(BOB, Window.at(HOUR.resets + later, 3600), Used(1, 1))
    await usage.written()
    assert await known(database, ALICE, HOUR) == kept
