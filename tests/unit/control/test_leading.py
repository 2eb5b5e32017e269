"""One server of all on a database does what needs to be done once."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from reconciler.apply.lease import TTL, this_process
from reconciler.control.leading import Leader
from reconciler.model.errors import UnreachableError
from reconciler.store.leases import SERVE, Leases


class Clock:
    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def leader(database, clock, name, **owner):
    return Leader(database, replace(this_process(name), **owner), clock=clock, heartbeat=0.01, retry=0.01)


class Work:
    """Says when it goes on, and when it does not any more."""

    def __init__(self):
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    async def __call__(self):
        self.ended.clear()
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.begun.clear()
            self.ended.set()


@pytest.fixture
async def at_work():
    """Has a leader do a work in its turns until the test is over."""
    tasks = []

    def begin(leader):
        work = Work()
        tasks.append(asyncio.create_task(leader.in_turn(work)))
        return work

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_of_two_one_works_and_when_it_goes_the_other_does(database, clock, at_work):
    first, second = leader(database, clock, "first"), leader(database, clock, "second")
    works = at_work(first), at_work(second)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(first.standing())
        await works[0].begun.wait()
        async with second.standing():
            assert first.leads
            assert not second.leads
            await stack.aclose()
            await works[0].ended.wait()
            await works[1].begun.wait()
            assert not works[0].begun.is_set()
    async with database.reading() as connection:
        assert await Leases(connection).holder(SERVE) is None


async def test_one_that_has_died_on_this_machine_is_replaced_before_its_lease_runs_out(database, clock, at_work):
    dead = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await dead.wait()
    gone = this_process("gone")
    async with database.begin() as connection:
        await Leases(connection).acquire(SERVE, replace(gone, pid=dead.pid), now=int(clock()), ttl=TTL)
    heir = leader(database, clock, "heir")
    work = at_work(heir)
    async with heir.standing():
        await work.begun.wait()


async def test_one_elsewhere_that_is_silent_is_replaced_when_its_lease_has_run_out(database, clock, at_work):
    elsewhere = replace(this_process("elsewhere"), host="another machine")
    async with database.begin() as connection:
        await Leases(connection).acquire(SERVE, elsewhere, now=int(clock()), ttl=TTL)
    heir = leader(database, clock, "heir")
    work = at_work(heir)
    async with heir.standing():
        await heir._look()
        assert not heir.leads
        clock.now += TTL
        await work.begun.wait()


async def test_one_whose_lease_was_taken_stops_working(database, clock, at_work):
    first = leader(database, clock, "first")
    work = at_work(first)
    async with first.standing():
        await work.begun.wait()
        other = replace(this_process("other"), host="another machine")
        async with database.begin() as connection:
            await Leases(connection).take_over(SERVE, other, now=int(clock()), ttl=TTL)
        await work.ended.wait()
    async with database.reading() as connection:
        holder = await Leases(connection).holder(SERVE)
    assert holder is not None
    assert holder.owner == other


async def test_one_that_cannot_reach_the_database_works_until_its_lease_runs_out(database, clock, at_work, monkeypatch):
    first = leader(database, clock, "first")
    work = at_work(first)
    tried = asyncio.Event()

    async def away(_):
        tried.set()
        raise UnreachableError("no database")

    async with first.standing():
        await work.begun.wait()
        with monkeypatch.context() as patch:
            patch.setattr(database, "write", away)
            await tried.wait()
            assert work.begun.is_set()
            clock.now += TTL
            await work.ended.wait()
        await work.begun.wait()  # it is back, and so are we


async def test_what_a_work_dies_of_is_raised(database, clock):
    first = leader(database, clock, "first")

    async def broken():
        raise ValueError("broken")

    async with first.standing():
        with pytest.raises(ValueError, match="broken"):
            await first.in_turn(broken)
