"""Advertisements and rows that somebody lost: told, and mended without a second token and without a lost satoshi."""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import text

from reconciler.cli.wiring import clock, keys_of
from reconciler.model.errors import UnreachableError
from reconciler.model.ids import Network
from reconciler.observe.ads import read_ads
from reconciler.plan.options import PlanOptions

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: TITLE
  network: embedded
  gateway: {url: "http://localhost:3999"}
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {name: prices}
spec:
  serviceType: data-feed
  capability: price-feeds
  pricing: {model: per-minute, satoshis: 20}
"""
WANTED = {"tm_data_price_feeds": 1, "ls_data_price_feeds": 1}


@pytest.fixture
async def applied(producer):
    producer.write(MANIFEST)
    await producer.apply()
    return producer


async def advertised(producer: Any) -> Counter[str]:
    async with producer.site() as site:
        keys = keys_of(producer.invocation, Network.EMBEDDED, create=False)
        world = site.world()
        found = await read_ads(
            keys.identity, hosts=world.outside, verifier=world.headers, now=int(clock()), plain_http=True
        )
    return Counter(ad.found.name for ad in found.ads)


async def damage(producer: Any, statement: str) -> None:
    async with producer.site() as site, site.database.begin() as connection:
        await connection.execute(text(statement))


async def check_mended(producer: Any, before: Any) -> None:
    """It is as if nothing had happened."""
    await producer.apply()
    assert (await producer.plan_with(refresh=True)).plan.is_empty
    assert (await producer.plan()).plan.is_empty
    assert await advertised(producer) == WANTED
    after = await producer.audit()
    assert (after.differences, after.tokens, after.balance.total) == ((), before.tokens, before.balance.total)


@pytest.mark.parametrize("rows", ["published_ads", "published_records"])
async def test_missing_rows_are_mended_without_a_transaction(applied, rows):
    before = await applied.audit()
    await damage(applied, f"delete from {rows}")
    planned = (await applied.plan()).plan
    assert not planned.is_empty
    assert planned.cost.transactions == 0
    await check_mended(applied, before)


async def test_a_row_is_mended_while_the_tracker_is_down_and_no_coin_is_lost(applied, door):
    before = await applied.audit()
    await damage(applied, "update published_records set public = json_set(public, '$.capability', 'edited')")

    def down(method: str, url: str) -> None:
        if "listTopicManagers" in url and "public" in url:
            raise UnreachableError("it is down", where=url)

    await applied.apply(http=lambda http: door(http, before=down))
    await check_mended(applied, before)


async def test_a_tracker_that_lost_advertisements_is_told_again(applied):
    before = await applied.audit()
    with sqlite3.connect(applied.home / "embedded" / "world" / "public" / "state.db") as database:
        database.execute("delete from host_outputs where topic in ('tm_ship', 'tm_slap')")
        database.execute("delete from host_ads")
    assert await advertised(applied) == {}
    planned = (await applied.plan_with(refresh=True)).plan
    assert {change.object.type for change in planned.changes} == {"ship", "slap"}
    assert planned.drift
    assert planned.cost.transactions == 0
    async with applied.site() as site:
        reconciler, desired = await applied.reconciler(site)

        async def agree(_: Any) -> bool:
            return True

        await reconciler.apply(desired, PlanOptions(), agree=agree, halted=lambda: False, refresh=True)
    await check_mended(applied, before)


async def test_advertisements_without_a_root_can_be_destroyed(applied):
    """Such as those of a producer whose hosts have gone with everything else."""
    with sqlite3.connect(applied.home / "embedded" / "world" / "public" / "state.db") as database:
        database.execute("delete from host_outputs where topic = 'tm_data_catalog'")
        database.execute("delete from host_records")
    for path in (applied.home / "embedded").glob("state.db*"):
        path.unlink()
    finished = await applied.destroy()
    assert {change.object.type for change in finished.planned.plan.changes} == {"ship", "slap"}
    assert await advertised(applied) == {}
    audited = await applied.audit()
    assert (audited.differences, audited.tokens, audited.in_flight) == ((), 0, ())
    assert (await applied.destroy()).applied is None
