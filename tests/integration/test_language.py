"""The whole language on the embedded world: seven kinds in one apply, then every kind of change, told exactly."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from sqlalchemy import delete, text, update

from reconciler.chain.index import AddressIndex
from reconciler.cli.wiring import clock, keys_of
from reconciler.control.restore import restore
from reconciler.model.errors import GuardError
from reconciler.model.ids import AdProtocol, Network
from reconciler.observe.ads import read_ads
from reconciler.plan.action import Action
from reconciler.store.live import published_records, published_root

WHOLE = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: TITLE
  network: embedded
  gateway: {url: "http://localhost:3999"}
  defaults: {paymentRule: standard, replication: everywhere}
---
apiVersion: overlay/v1
kind: PaymentRule
metadata: {name: standard}
spec:
  http: {min: 1, max: MOST, window: 1h}
---
apiVersion: overlay/v1
kind: ReplicationRule
metadata: {name: everywhere}
spec: {replicas: 2, spread: {by: region, min: 2}}
---
apiVersion: overlay/v1
kind: ConsumerPolicy
metadata: {name: consumers}
spec:
  defaultTier: standard
  tiers:
    standard: {quota: {bytes: 10GB, requests: 10000, streams: 5, window: 24h}}
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {name: prices}
spec:
  serviceType: data-feed
  capability: CAPABILITY
  pricing: {model: per-minute, satoshis: 20}
  regions: [global]
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: free}
spec: {source: {path: data/a.csv}, title: Free, tags: [x]}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: SOLD}
spec: {source: {path: data/b.csv}, title: Sold, price: PRICE}
---
apiVersion: overlay/v1
kind: Stream
metadata: {name: live}
spec:
  title: Live
  capability: CAPABILITY
  format: json
  frequency: 1s
  pricing: {model: per-minute, satoshis: 15}
  state: live
  source: {websocket: "wss://stream.example.com/ws"}
"""


def write(
    producer: Any, *, most: int = 1000, capability: str = "price-feeds", sold: str = "sold", price: int = 50, **more
):
    text_ = WHOLE.replace("MOST", str(most)).replace("CAPABILITY", capability).replace("PRICE", str(price))
    text_ = text_.replace("{name: SOLD}", more.get("sold_metadata", f"{{name: {sold}}}"))
    producer.write(text_, title=more.get("title", "Acme"))


@pytest.fixture
async def whole(producer):
    """A producer of all seven kinds, applied."""
    write(producer)
    await producer.apply()
    return producer


def changes(planned: Any) -> dict[str, Action]:
    return {str(change.object): change.action for change in planned.plan.changes}


async def ads_on_tracker(producer: Any) -> list[tuple[AdProtocol, str, str]]:
    async with producer.site() as site:
        keys = keys_of(producer.invocation, Network.EMBEDDED, create=False)
        world = site.world()
        found = await read_ads(
            keys.identity, hosts=world.outside, verifier=world.headers, now=int(clock()), plain_http=True
        )
    assert not found.doubts
    return [(ad.found.protocol, ad.found.name, ad.found.url) for ad in found.distinct]


async def test_seven_kinds_are_one_apply_and_then_nothing_changes(producer):
    write(producer)
    planned = await producer.plan()
    assert changes(planned) == dict.fromkeys(
        (
            "record/advertisement/prices",
            "record/dataset/free",
            "record/dataset/sold",
            "record/producer/acme",
            "record/stream/live",
            "replica/free@storage-eu",
            "replica/free@storage-us",
            "replica/sold@storage-eu",
            "replica/sold@storage-us",
            "setting/consumerpolicy/consumers",
            "setting/paymentrule/standard",
            "setting/replicationrule/everywhere",
            "ship/tm_data_price_feeds",
            "slap/ls_data_price_feeds",
        ),
        Action.CREATE,
    )
    finished = await producer.apply()
    assert finished.applied.generation == 1
    assert not finished.applied.undelivered
    assert not finished.applied.failed
    assert (await producer.plan()).plan.is_empty
    assert sorted(await ads_on_tracker(producer)) == [
        (AdProtocol.SHIP, "tm_data_price_feeds", "http://localhost:3999"),
        (AdProtocol.SLAP, "ls_data_price_feeds", "http://localhost:3999"),
    ]
    audited = await producer.audit()
    assert audited.differences == ()
    assert audited.tokens == 7
    assert planned.plan.cost.transactions == 3


async def test_what_the_plan_costs_is_what_the_wallet_pays(producer):
    write(producer)
    planned = await producer.plan()
    funded = 0
    async with producer.site() as site:
        from reconciler.store.coins import Coins

        async with site.database.begin() as connection:
            funded = (await Coins(connection).balance()).total
    cost = planned.plan.cost
    await producer.apply()
    audited = await producer.audit()
    assert funded - audited.balance.total == cost.fee_satoshis + cost.locked_satoshis
    assert audited.fees == cost.fee_satoshis


async def test_a_changed_setting_costs_one_root_and_no_token(whole):
    write(whole, most=2000)
    planned = await whole.plan()
    assert changes(planned) == {"setting/paymentrule/standard": Action.UPDATE}
    assert (planned.plan.cost.transactions, planned.plan.cost.locked_satoshis) == (1, 0)
    await whole.apply()
    assert (await whole.plan()).plan.is_empty
    catalog = await whole.catalog()
    assert catalog.state.settings["paymentrule/standard"]["http"]["max"] == 2000


async def test_another_capability_revokes_and_makes_advertisements(whole):
    write(whole, capability="quotes")
    planned = await whole.plan()
    found = changes(planned)
    assert found["ship/tm_data_quotes"] is found["slap/ls_data_quotes"] is Action.CREATE
    assert found["ship/tm_data_price_feeds"] is found["slap/ls_data_price_feeds"] is Action.DELETE
    await whole.apply()
    assert sorted(name for _, name, _ in await ads_on_tracker(whole)) == ["ls_data_quotes", "tm_data_quotes"]
    assert (await whole.plan()).plan.is_empty
    assert (await whole.audit()).differences == ()


async def test_a_price_is_one_update_without_new_copies(whole):
    write(whole, price=75)
    assert changes(await whole.plan()) == {"record/dataset/sold": Action.UPDATE}
    await whole.apply()
    assert (await whole.plan()).plan.is_empty


async def test_a_rename_is_a_move(whole):
    write(whole, sold_metadata="{name: better, renamedFrom: sold}")
    found = changes(await whole.plan())
    assert found["record/dataset/better"] is Action.MOVE
    assert "record/dataset/sold" not in found
    before = (await whole.catalog()).records
    await whole.apply()
    after = {str(record.observed.id): record for record in (await whole.catalog()).records}
    old = next(record for record in before if record.observed.id.name == "sold")
    assert old.observed.document_hash in after["dataset/better"].token.anchor.parents
    assert "dataset/sold" not in after
    assert (await whole.plan()).plan.is_empty
    assert (await whole.audit()).differences == ()


async def test_copies_of_a_renamed_free_dataset_move_along_and_none_stays_under_the_old_name(producer):
    text_ = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec: {displayName: TITLE, network: embedded}
---
apiVersion: overlay/v1
kind: Dataset
metadata: METADATA
spec: {source: {path: data/a.csv}, title: Free}
"""
    producer.write(text_.replace("METADATA", "{name: old}"))
    await producer.apply()
    producer.write(text_.replace("METADATA", "{name: new, renamedFrom: old}"))
    planned = await producer.plan()
    assert Action.MOVE in {change.action for change in planned.plan.changes if change.object.type == "replica"}
    await producer.apply()
    assert (await producer.plan()).plan.is_empty


async def rebuilt(producer: Any) -> Any:
    producer.lose_database()
    async with producer.site() as site:
        return await restore(
            world=site.world(),
            database=site.database,
            keys=keys_of(producer.invocation, Network.EMBEDDED, create=False),
            index=AddressIndex(site.http, site.endpoints.headers),
            clock=clock,
            randomness=secrets.token_bytes,
        )


async def test_ads_settings_purse_and_sold_content_are_rebuilt(whole):
    before = await whole.audit()
    restored = await rebuilt(whole)
    (doubt,) = restored.doubts  # nobody serves here
    assert doubt.startswith("what http://localhost:3999 has settled could not be read")
    assert (await whole.plan()).plan.is_empty
    after = await whole.audit()
    assert after.differences == ()
    assert (after.balance.total, after.tokens) == (before.balance.total, before.tokens)
    write(whole, title="After", capability="quotes", price=60)
    await whole.apply()
    assert (await whole.plan()).plan.is_empty
    assert (await whole.audit()).differences == ()


async def test_destroy_leaves_nothing_but_money(whole):
    before = await whole.audit()
    finished = await whole.destroy()
    assert finished.planned.plan.destroys
    assert await ads_on_tracker(whole) == []
    audited = await whole.audit()
    assert audited.differences == ()
    assert audited.tokens == 0
    cost = finished.planned.plan.cost
    assert audited.balance.total == before.balance.total + before.tokens - cost.fee_satoshis
    assert changes(await whole.plan())["record/producer/acme"] is Action.CREATE


async def test_deleting_everything_needs_the_word(whole):
    whole.write("apiVersion: overlay/v1\nkind: Producer\nmetadata: {name: acme}\nspec: {network: embedded}\n")
    with pytest.raises(GuardError, match="everything"):
        await whole.apply()
    await whole.apply(allow_empty=True)
    assert (await whole.plan()).plan.is_empty


@pytest.mark.parametrize(
    "damage",
    [
        update(published_records).where(published_records.c.name == "free").values(public={"title": "edited"}),
        delete(published_records).where(published_records.c.name == "free"),
        update(published_root).values(generation=1, public={"displayName": "edited"}),
    ],
    ids=["an edited record", "a deleted record", "an edited root"],
)
async def test_edited_and_missing_rows_are_told_and_mended_without_a_transaction(whole, damage):
    async with whole.site() as site, site.database.begin() as connection:
        await connection.execute(damage)
    planned = await whole.plan()
    assert planned.plan.drift
    assert set(changes(planned).values()) == {Action.ADOPT}
    assert planned.plan.cost.transactions == 0
    finished = await whole.apply()
    assert finished.applied.txid is None
    assert (await whole.plan()).plan.is_empty
    assert not (await whole.plan()).plan.drift


async def test_refresh_sees_a_lost_copy_and_makes_it_again(whole):
    async with whole.site() as site:
        world = site.toy._folder
    import sqlite3

    with sqlite3.connect(world / "storage-eu" / "state.db") as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where name like 'storage%'")]
        for table in tables:
            database.execute(f"delete from {table}")
    assert (await whole.plan()).plan.is_empty
    planned = await whole.plan_with(refresh=True)
    assert changes(planned) == {
        "replica/free@storage-eu": Action.CREATE,
        "replica/sold@storage-eu": Action.CREATE,
    }


async def test_advertisements_that_trackers_show_and_nobody_recorded_are_taken_over(whole):
    async with whole.site() as site, site.database.begin() as connection:
        await connection.execute(text("delete from published_ads"))
    assert changes(await whole.plan()) == {
        "ship/tm_data_price_feeds": Action.ADOPT,
        "slap/ls_data_price_feeds": Action.ADOPT,
    }
    finished = await whole.apply()
    assert finished.applied.txid is None
    assert (await whole.plan()).plan.is_empty
    assert len(await ads_on_tracker(whole)) == 2
