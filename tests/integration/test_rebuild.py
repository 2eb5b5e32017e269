"""I6: delete everything but keys and world; the overlay gives it back."""

from __future__ import annotations

import shutil
from typing import Any

from reconciler.chain.index import AddressIndex
from reconciler.cli.wiring import clock, keys_of
from reconciler.control.funding import take_from_faucet
from reconciler.control.restore import Restored, restore
from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Network


def lose_everything(producer: Any) -> None:
    producer.lose_database()
    for path in (producer.home / "embedded").iterdir():
        if path.name != "world":
            shutil.rmtree(path)
    shutil.rmtree(producer.home / "cache", ignore_errors=True)


async def rebuild(producer: Any) -> Restored:
    import secrets

    async with producer.site() as site:
        keys = keys_of(producer.invocation, Network.EMBEDDED, create=False)
        return await restore(
            world=site.world(),
            database=site.database,
            keys=keys,
            index=AddressIndex(site.http, site.endpoints.headers),
            clock=clock,
            randomness=secrets.token_bytes,
        )


async def test_a_lost_database_comes_back_with_the_same_balance_and_no_changes(producer):
    await producer.apply()
    producer.write(title="Second")
    await producer.apply()
    before = await producer.audit()
    lose_everything(producer)

    restored = await rebuild(producer)

    assert restored.doubts == ()
    assert (restored.rebuilt.generation, restored.rebuilt.records, restored.rebuilt.replicas) == (2, 2, 2)
    assert (await producer.plan()).plan.is_empty
    after = await producer.audit()
    assert after.balanced
    assert (after.balance.total, after.tokens) == (before.balance.total, before.tokens)
    producer.write(title="Third")
    assert (await producer.apply()).applied.generation == 3
    assert (await producer.audit()).balanced
    assert (await producer.plan()).plan.is_empty


async def test_coins_that_no_root_shows_come_back_from_the_address_index(producer):
    await producer.apply()
    async with producer.site() as site:
        world = site.world()
        await take_from_faucet(
            world.faucet,
            Satoshis(7_000),
            keys=keys_of(producer.invocation, Network.EMBEDDED, create=False),
            network=Network.EMBEDDED,
            database=site.database,
            headers=world.headers,
            now=int(clock()),
        )
    before = await producer.audit()
    lose_everything(producer)

    restored = await rebuild(producer)

    assert restored.received == 7_000
    assert (await producer.audit()).balance.total == before.balance.total


async def test_without_a_rebuild_a_fresh_runner_reads_the_state_back_by_itself(producer):
    await producer.apply()
    lose_everything(producer)

    planned = await producer.plan()
    assert planned.observation.rebuilt is not None
    assert planned.plan.is_empty

    producer.write(title="From another machine")
    finished = await producer.apply()
    assert finished.applied.generation == 2
    assert (await producer.audit()).balanced
    assert (await producer.plan()).plan.is_empty


async def test_rebuilding_what_is_there_changes_nothing(producer):
    await producer.apply()
    before = await producer.audit()
    await rebuild(producer)
    after = await producer.audit()
    assert after.balanced
    assert after.balance.total == before.balance.total
    assert (await producer.plan()).plan.is_empty


async def test_the_own_host_is_refilled_from_outside(producer):
    await producer.apply()
    lose_everything(producer)
    await rebuild(producer)
    async with producer.site() as site:
        keys = keys_of(producer.invocation, Network.EMBEDDED, create=False)
        world = site.world()
        own = await world.own.lookup("ls_data_catalog", {"producer": keys.identity})
        public = await next(iter(world.outside.values())).lookup("ls_data_catalog", {"producer": keys.identity})
    assert {found.outpoint for found in own} == {found.outpoint for found in public}
    assert len(own) == 3
