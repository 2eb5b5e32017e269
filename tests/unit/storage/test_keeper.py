"""What is kept, for how long, and what is left afterwards."""

from __future__ import annotations

import asyncio

from reconciler.wire.canonical import sha256_hex


async def test_what_is_past_its_time_is_neither_given_nor_found_and_sweeping_removes_it(world, content):
    expires = await world.store(content, minutes=1)
    kept = await world.store(content[::-1], minutes=5)
    digest, other = sha256_hex(content), sha256_hex(content[::-1])
    assert await world.keeper.sweep(expires - 1) == ()
    world.clock.now = expires

    assert (await world.ask("GET", f"/cdn/{digest}")).status == 404
    assert await world.client.find(digest) is None
    assert await world.client.listing() == {other: kept}
    assert world.files.path(digest).exists()

    assert await world.keeper.sweep(world.clock()) == (digest,)
    assert not world.files.path(digest).exists()
    assert world.files.path(other).exists()
    assert await world.keeper.sweep(world.clock()) == ()


async def test_swept_content_can_come_again(world, content):
    await world.store(content, minutes=1)
    world.clock.now += 60
    await world.keeper.sweep(world.clock())

    await world.store(content, minutes=1)

    assert (await world.ask("GET", f"/cdn/{sha256_hex(content)}")).body == content
    assert len(await world.adverts(sha256_hex(content))) == 1


async def test_content_whose_file_was_lost_is_not_found_rather_than_a_fault(world, content):
    await world.store(content)
    world.files.remove(sha256_hex(content))

    assert (await world.ask("GET", f"/cdn/{sha256_hex(content)}")).status == 404


async def test_the_same_bytes_from_two_at_once_both_succeed(world, content):
    await asyncio.gather(*(world.store(content) for _ in range(4)))

    assert world.files.path(sha256_hex(content)).read_bytes() == content
    assert list((world.folder / "files" / "incoming").iterdir()) == []
