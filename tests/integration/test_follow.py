"""A gateway follows its producer's root, with a key that opens and cannot spend (PROTOCOL §3)."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from reconciler.apply.lease import apply_lease, this_process
from reconciler.cli.wiring import clock, keys_of
from reconciler.control.follow import Follower
from reconciler.control.world import World
from reconciler.model.errors import GuardError, StateError, VerificationError
from reconciler.model.ids import Network
from reconciler.model.keys import GATEWAY_KEY
from reconciler.observe.recorded import recorded
from reconciler.store.coins import Coins
from reconciler.wallet.keys import Keys
from reconciler.wire.http import Reply

NOTHING = b'{"type": "output-list", "outputs": []}'


def follower(producer: Any, site: Any, *, keys: Keys | None = None, http: Any = None) -> Follower:
    """A gateway of the producer on `site`, by default with the key that its root names."""
    own = keys_of(producer.invocation, Network.EMBEDDED, create=False)
    return Follower(
        world=World.at(
            site.network, site.endpoints, http=http or site.http, strangers=site.http, own="http://own.embedded"
        ),
        database=site.database,
        identity=own.identity,
        keys=keys or own.child(GATEWAY_KEY),
        clock=clock,
        randomness=os.urandom,
    )


async def test_each_generation_is_taken_in_once_and_no_coin_with_it(twins):
    here, there = twins
    async with there.site() as site:
        following = follower(there, site)
        await following.claim()
        assert await following.catch_up() is None  # nothing is published yet
        for generation in (1, 2):
            here.write(title=f"Generation {generation}")
            await here.apply()
            assert await following.catch_up() == generation
            assert await following.catch_up() is None
        known = await recorded(site.database)
        assert known.root.record.public["displayName"] == "Generation 2"
        assert len(known.live.records) == 2
        async with site.database.begin() as connection:
            assert await Coins(connection).all() == ()
        assert len(await site.world().own.lookup("ls_data_catalog", {})) == 3


async def test_it_stands_back_while_an_apply_holds_the_lease(twins):
    here, there = twins
    await here.apply()
    async with there.site() as site:
        following = follower(there, site)
        owner = this_process("another")
        async with apply_lease(site.database, owner, now=lambda: int(clock()), patience=0):
            assert await following.catch_up() is None
        assert await following.catch_up() == 1


async def test_what_does_not_add_up_is_not_taken_in_and_said_once(twins, door):
    here, there = twins
    await here.apply()
    told: list[str] = []
    lookups, often = 0, asyncio.Event()

    def before(method: str, url: str) -> Reply | None:
        """A host that shows the root, and no record under it."""
        nonlocal lookups
        lookups += url.endswith("/lookup")
        if lookups == 8:
            often.set()
        hides = url.endswith("/lookup") and lookups % 2 == 0
        return Reply(url, 200, {"content-type": "application/json"}, NOTHING) if hides else None

    async with there.site() as site:
        following = follower(there, site, http=door(site.http, before=before))
        with pytest.raises(VerificationError, match="lists 0 records"):
            await following.catch_up()
        assert (await recorded(site.database)).root is None
        task = asyncio.create_task(following.follow(every=0, tell=told.append))
        await often.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(told) == 1
        assert "cannot be taken in" in told[0]


async def test_another_gateways_key_opens_nothing_and_another_producers_database_is_left_alone(twins, request):
    here, there = twins
    await here.apply()
    stranger = Keys(request.node.name.encode().ljust(32)[:32])
    async with there.site() as site:
        with pytest.raises(StateError, match="was not made for this key"):
            await follower(there, site, keys=stranger).catch_up()
    async with here.site() as site:
        with pytest.raises(StateError, match="would lose its coins"):
            await follower(here, site).claim()
        here.environment["OVERLAY_IDENTITY_KEY"] = stranger.secret().hex()
        with pytest.raises(GuardError, match="belongs to the identity"):
            await follower(here, site).claim()
