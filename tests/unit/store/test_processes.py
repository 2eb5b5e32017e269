"""Several processes on one database: who holds the lease dies, or wakes too late; and who comes first, where two cannot both."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from reconciler.host.conflicts import Conflicts
from reconciler.model.journal import JournalState
from reconciler.store.database import Database
from reconciler.store.host_transactions import HostTransactions
from reconciler.store.journal import Journal
from reconciler.store.leases import APPLY, Holder, Lease, Leases, Owner

HOLDER = """
import asyncio, os, sys
from reconciler.model.errors import LockedError
from reconciler.model.journal import JournalEvent
from reconciler.store.database import Database
from reconciler.store.journal import Journal
from reconciler.store.leases import APPLY, Leases, Owner

async def main(url, write):
    database = Database.open(url)
    async with database.begin() as connection:
        lease = await Leases(connection).acquire(APPLY, Owner("first", "here", os.getpid(), "boot"), now=100, ttl=15)
        if write == "inside":
            await Journal(connection).move("entry", JournalEvent.SEND, now=101, token=lease.token)
            wait()
    wait()
    try:
        async with database.begin() as connection:
            await Journal(connection).move("entry", JournalEvent.SEND, now=101, token=lease.token)
    except LockedError:
        print("locked out")
    else:
        print("written")
    await database.close()

def wait():
    print("holding", flush=True)
    sys.stdin.readline()

asyncio.run(main(*sys.argv[1:]))
"""


def here(name: str) -> Owner:
    return Owner(name, "here", os.getpid(), "boot")


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def holder(url: str, write: str) -> asyncio.subprocess.Process:
    """Another process that has the lease, and waits."""
    command = [sys.executable, "-c", HOLDER, url, write]
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert await process.stdout.readline() == b"holding\n"
    return process


async def acquire(database: Database, now: int, name: str = "second") -> Lease | Holder:
    async with database.begin() as connection:
        return await Leases(connection).acquire(APPLY, here(name), now=now, ttl=15, alive=is_running)


async def state_of(database: Database, entry: str) -> JournalState:
    async with database.reading() as connection:
        return (await Journal(connection).get(entry)).state


@pytest.fixture
async def prepared(database, journalled) -> Database:
    """A database with an entry in its journal."""
    async with database.begin() as connection:
        await journalled(connection, "entry")
    return database


async def test_a_process_that_is_killed_leaves_the_lease_to_the_next_at_once(prepared, database_url):
    process = await holder(database_url, "outside")
    assert isinstance(await acquire(prepared, now=101), Holder)
    process.kill()
    await process.wait()
    lease = await acquire(prepared, now=101)
    assert isinstance(lease, Lease)
    assert lease.token == 2


async def test_a_process_that_is_killed_while_it_writes_has_neither_written_nor_a_lease(prepared, database_url):
    process = await holder(database_url, "inside")
    waiting = asyncio.create_task(acquire(prepared, now=101))  # it cannot know yet: the other is in the midst of it
    process.kill()
    await process.wait()
    lease = await waiting
    assert isinstance(lease, Lease)
    assert lease.token == 1
    assert await state_of(prepared, "entry") is JournalState.PREPARED


async def test_a_process_that_wakes_after_its_lease_ran_out_writes_nothing(prepared, database_url):
    process = await holder(database_url, "outside")
    assert isinstance(await acquire(prepared, now=115), Lease)
    said, _ = await process.communicate(b"go on\n")
    assert said == b"locked out\n"
    assert await state_of(prepared, "entry") is JournalState.PREPARED


async def test_of_rivals_that_reach_a_host_at_once_one_is_shown(database_url, make_transaction):
    opened = [Database.open(database_url) for _ in range(4)]
    coin = make_transaction("coin").outpoint(0)
    rivals = [make_transaction(at, spends=(coin,), pays=(at + 1,)) for at in range(len(opened))]

    async def submit(at: int) -> None:
        async with opened[at].begin() as connection:
            await Conflicts(HostTransactions(connection)).take((rivals[at], None))

    await asyncio.gather(*map(submit, range(len(opened))))
    async with opened[0].reading() as connection:
        kept = await HostTransactions(connection).get([rival.txid for rival in rivals])
    assert sorted(each.shadowed for each in kept.values()) == [False, True, True, True]
    for each in opened:
        await each.close()


async def test_the_same_transaction_from_several_at_once_is_kept_once(database_url, make_transaction):
    opened = [Database.open(database_url) for _ in range(4)]
    transaction = make_transaction("one")

    async def submit(database: Database) -> None:
        async with database.begin() as connection:
            await Conflicts(HostTransactions(connection)).take((transaction, None))

    await asyncio.gather(*map(submit, opened))
    async with opened[0].reading() as connection:
        assert not (await HostTransactions(connection).get([transaction.txid]))[transaction.txid].shadowed
    for each in opened:
        await each.close()
