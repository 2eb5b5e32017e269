from __future__ import annotations

import asyncio

import pytest

from reconciler.model.errors import LockedError
from reconciler.store.database import Database
from reconciler.store.leases import APPLY, Holder, Lease, Leases, Owner, fence

ME = Owner("me", "here", 10, "boot-1")
OTHER = Owner("other", "here", 20, "boot-1")


def dead(_: int) -> bool:
    return False


async def acquire(database, owner=ME, now=100, **options):
    async with database.begin() as connection:
        return await Leases(connection).acquire(APPLY, owner, now=now, ttl=15, **options)


async def test_a_free_lease_is_granted(database):
    lease = await acquire(database)
    assert lease == Lease(name=APPLY, token=1, owner=ME, since=100, until=115)
    async with database.begin() as connection:
        assert await Leases(connection).holder(APPLY) == Holder(owner=ME, since=100, until=115)
        await Leases(connection).check(APPLY, lease.token)


async def test_who_asks_for_a_held_lease_is_told_who_holds_it_and_until_when(database):
    await acquire(database)
    assert await acquire(database, OTHER, now=114) == Holder(owner=ME, since=100, until=115)


async def test_a_lease_that_ran_out_is_granted_to_the_next_with_a_higher_token(database):
    old = await acquire(database)
    new = await acquire(database, OTHER, now=115)
    assert isinstance(new, Lease)
    assert new.token > old.token


async def test_a_lease_whose_holder_is_dead_on_this_machine_is_granted_at_once(database):
    await acquire(database)
    asked = []
    lease = await acquire(database, OTHER, alive=asked.append)
    assert isinstance(lease, Lease)
    assert asked == [ME.pid]


async def test_a_holder_that_lives_keeps_its_lease(database):
    await acquire(database)
    assert isinstance(await acquire(database, OTHER, alive=lambda pid: pid == ME.pid), Holder)


@pytest.mark.parametrize("holder", [Owner("x", "elsewhere", 10, "boot-1"), Owner("x", "here", 10, "boot-0")])
async def test_nothing_is_concluded_about_a_process_of_another_machine_or_boot(database, holder):
    await acquire(database, holder)
    assert isinstance(await acquire(database, ME, alive=dead), Holder)


async def test_the_heartbeat_moves_the_end_and_keeps_the_token(database):
    lease = await acquire(database)
    async with database.begin() as connection:
        renewed = await Leases(connection).renew(lease, now=110, ttl=15)
    assert (renewed.token, renewed.since, renewed.until) == (lease.token, 100, 125)
    assert isinstance(await acquire(database, OTHER, now=124), Holder)


async def test_a_late_holder_cannot_renew_or_write_once_another_has_the_lease(database):
    old = await acquire(database)
    new = await acquire(database, OTHER, now=200)
    async with database.begin() as connection:
        with pytest.raises(LockedError, match="process 20 on here holds it"):
            await Leases(connection).renew(old, now=201, ttl=15)
        with pytest.raises(LockedError):
            await fence(connection, old.token)
        await fence(connection, new.token)
        await fence(connection, None)


async def test_a_holder_that_is_late_keeps_a_lease_nobody_took(database):
    lease = await acquire(database)
    async with database.begin() as connection:
        await Leases(connection).check(APPLY, lease.token)
        assert (await Leases(connection).renew(lease, now=500, ttl=15)).until == 515


async def test_a_lease_given_back_is_free_and_its_token_is_never_used_again(database):
    lease = await acquire(database)
    async with database.begin() as connection:
        await Leases(connection).release(lease)
        await Leases(connection).release(lease)
        assert await Leases(connection).holder(APPLY) is None
        with pytest.raises(LockedError):
            await Leases(connection).check(APPLY, lease.token)
        with pytest.raises(LockedError):
            await Leases(connection).renew(lease, now=101, ttl=15)
    assert (await acquire(database, OTHER)).token == lease.token + 1


async def test_giving_back_a_lease_that_was_taken_leaves_it_with_the_taker(database):
    old = await acquire(database)
    new = await acquire(database, OTHER, now=200)
    async with database.begin() as connection:
        await Leases(connection).release(old)
        await Leases(connection).check(APPLY, new.token)


async def test_take_over_fences_off_a_living_holder(database):
    old = await acquire(database)
    async with database.begin() as connection:
        lease = await Leases(connection).take_over(APPLY, OTHER, now=101, ttl=15)
        assert lease.token > old.token
        with pytest.raises(LockedError):
            await Leases(connection).check(APPLY, old.token)


async def test_leases_of_different_names_do_not_touch(database):
    await acquire(database)
    async with database.begin() as connection:
        assert await Leases(connection).holder("stream") is None
        with pytest.raises(LockedError):
            await Leases(connection).check("stream", 1)
        assert (await Leases(connection).acquire("stream", OTHER, now=100, ttl=15)).token == 1


async def test_of_many_that_ask_at_once_one_is_granted(database_url):
    databases = [Database.open(database_url) for _ in range(5)]
    owners = [Owner(str(number), "here", number, "boot-1") for number in range(5)]
    answers = await asyncio.gather(*map(acquire, databases, owners))
    assert sum(isinstance(answer, Lease) for answer in answers) == 1
    for database in databases:
        await database.close()


async def test_a_lease_from_before_the_clock_was_set_back_does_not_hold_for_years(database):
    old = await acquire(database, now=1_000_000)
    new = await acquire(database, OTHER, now=100)
    assert isinstance(new, Lease)
    assert new.token > old.token
