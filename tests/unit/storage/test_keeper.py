"""What is kept, for how long, and what is left afterwards."""

from __future__ import annotations

import asyncio
import os

import pytest

from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.wire.canonical import sha256_hex


async def test_what_is_past_its_time_is_neither_given_nor_found_and_sweeping_removes_it(world, content):
    expires = await world.store(content, minutes=1)
    kept = await world.store(content[::-1], minutes=60)
    digest, other = sha256_hex(content), sha256_hex(content[::-1])
    world.clock.now = expires

    assert (await world.ask("GET", f"/cdn/{digest}")).status == 404
    assert await world.client.find(digest) is None
    assert await world.client.listing() == {other: kept}
    assert await world.keeper.sweep() == ()

    world.clock.now += 300  # who has begun to read may go on for so long
    assert await world.keeper.sweep() == (digest,)
    assert [path.read_bytes() for path in world.lying()] == [content[::-1]]
    assert await world.keeper.sweep() == ()


async def test_swept_content_can_come_again(world, content):
    await world.store(content, minutes=1)
    world.clock.now += 360
    await world.keeper.sweep()

    await world.store(content, minutes=1)

    assert (await world.ask("GET", f"/cdn/{sha256_hex(content)}")).body == content
    assert len(await world.adverts(sha256_hex(content))) == 1


async def test_content_whose_file_was_lost_is_not_found_rather_than_a_fault_and_can_be_brought_again(world, content):
    await world.store(content)
    (path,) = world.lying()
    path.unlink()
    assert (await world.ask("GET", f"/cdn/{sha256_hex(content)}")).status == 404

    await world.store(content)

    assert (await world.ask("GET", f"/cdn/{sha256_hex(content)}")).body == content


async def test_a_file_that_was_cut_is_not_given(world, content):
    await world.store(content)
    (path,) = world.lying()
    os.truncate(path, 4000)

    assert (await world.ask("GET", f"/cdn/{sha256_hex(content)}")).status == 404


async def test_the_same_bytes_from_two_at_once_both_succeed_and_lie_there_once(world, content):
    await asyncio.gather(*(world.store(content) for _ in range(4)))

    assert [path.read_bytes() for path in world.lying()] == [content]


async def test_what_nobody_was_told_of_is_removed_after_an_hour(world, content):
    await world.store(content)
    below = world.folder / "files" / world.keys.identity
    orphan, half, fresh, elsewhere = (
        below / "00",
        below / "11.part",
        below / "22",
        world.folder / "files" / "another host" / "33",
    )
    elsewhere.parent.mkdir()
    for path in (orphan, half, fresh, elsewhere):
        path.write_bytes(b"left")
    for path in (*world.lying(),):
        if path != fresh:
            os.utime(path, (0, 0))

    await world.keeper.tidy()

    assert {path.name for path in world.lying() if path.read_bytes() == b"left"} == {"22", "33"}
    assert (await world.ask("GET", f"/cdn/{sha256_hex(content)}")).body == content


async def test_a_payment_renews_once_however_often_it_comes_and_two_renew_twice(world, content):
    before = await world.store(content)
    digest = sha256_hex(content)

    first = await world.keeper.renew(digest, 10, payment="a")
    assert (first.before, first.after) == (before, before + 600)
    assert await world.keeper.renew(digest, 10, payment="a") == first
    second = await world.keeper.renew(digest, 10, payment="b")

    assert (second.before, second.after) == (before + 600, before + 1200)
    assert [token.expires for token in await world.adverts(digest)] == [before + 1200]


async def test_a_paid_renewal_whose_advertisement_failed_is_applied_once_by_the_same_payment(world, content):
    before = await world.store(content)
    digest = sha256_hex(content)
    good = world.host

    class Away:
        async def submit(self, submission):
            raise UnreachableError("away")

    world.serve(hosts=[Away()])
    with pytest.raises(UnreachableError):
        await world.keeper.renew(digest, 10, payment="a")
    world.serve(hosts=[good])

    assert (await world.keeper.renew(digest, 10, payment="a")).after == before + 600
    assert [token.expires for token in await world.adverts(digest)] == [before + 600]


async def test_what_is_gone_cannot_be_renewed(world, content):
    with pytest.raises(RefusedError):
        await world.keeper.renew(sha256_hex(content), 10, payment="a")
