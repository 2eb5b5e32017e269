"""Where commits are waited for, as disks are quick or slow."""

from __future__ import annotations

import asyncio
import time

import pytest
from sqlalchemy import event, func, select

from reconciler.store import commits
from reconciler.store.commits import Commits
from reconciler.store.documents import Documents, documents

SLOW = 1.0


class Disk:
    """Its commits take as long as it is told, on a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.commits = Commits(lambda: self.now)

    def commit(self, seconds: float, error: Exception | None = None) -> None:
        def take() -> None:
            self.now += seconds
            if error is not None:
                raise error

        self.commits.here(take)

    def turns(self, count: int) -> list[bool]:
        """Where the next ones are waited for, as long as each is quick."""
        found = []
        for _ in range(count):
            found.append(self.commits.is_here())
            if found[-1]:
                self.commit(0)
        return found


def test_a_quick_disk_is_waited_for_here():
    assert all(Disk().turns(1000))


def test_after_a_slow_commit_the_next_ones_are_waited_for_elsewhere_and_then_it_is_tried_again():
    disk = Disk()
    disk.commit(SLOW)
    assert disk.turns(commits._APART + 3) == [*[False] * commits._APART, True, True, True]


def test_of_a_disk_that_stays_slow_few_commits_are_waited_for_here():
    disk, here = Disk(), 0
    for _ in range(1000):
        if disk.commits.is_here():
            here += 1
            disk.commit(SLOW)
    assert here == -(-1000 // (commits._APART + 1))


def test_a_commit_that_fails_slowly_is_slow_and_says_why():
    disk = Disk()
    with pytest.raises(OSError, match="gone"):
        disk.commit(SLOW, OSError("gone"))
    assert not disk.commits.is_here()


@pytest.mark.only("sqlite")
async def test_while_a_slow_disk_takes_its_time_others_go_on(database):
    await database.jot(lambda connection: Documents(connection).put(b"the connection is there"))
    event.listen(database._writing, "commit", lambda _: time.sleep(0.1))
    ticks, done = 0, False

    async def tick():
        nonlocal ticks
        while not done:
            await asyncio.sleep(0.001)
            ticks += 1

    await database.jot(lambda connection: Documents(connection).put(b"which shows that it is slow"))
    ticking = asyncio.create_task(tick())
    for number in range(5):
        await database.jot(lambda connection, number=number: Documents(connection).put(b"%d" % number))
    done = True
    await ticking
    assert ticks > 50  # of some hundred; one for each commit where these stop the loop
    assert await database.read(kept) == 7


async def kept(connection):
    return await connection.scalar(select(func.count()).select_from(documents))
