from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import insert, select, update

from reconciler.model.ids import RecordId
from reconciler.store.outcome import Outcome
from reconciler.store.producer import content_distribution, producer_identities, producer_revenue, published_content
from reconciler.store.published import Published


@pytest.fixture
def commit(make_root, identity):
    async def commit(connection, generation, *upserts, public=None, **fields):
        root = make_root(generation, **(public or {}))
        await Published(connection).commit(
            Outcome(identity=identity, root=root, upserts=upserts, at=1000 * generation, **fields)
        )

    return commit


async def rows(connection, table):
    return [row._asdict() for row in await connection.execute(select(table).order_by(*table.primary_key))]


async def test_the_producer_is_as_its_public_record_says(database, commit, identity):
    public = {
        "displayName": "Acme Data",
        "description": "All of it",
        "contact": {"email": "data@acme.example"},
        "capabilities": ["weather"],
        "regions": ["EU"],
    }
    async with database.begin() as connection:
        await commit(connection, 1)
        (before,) = await rows(connection, producer_identities)
        await commit(connection, 2, public=public)
        (after,) = await rows(connection, producer_identities)
    assert (before["display_name"], before["contact_info"], before["capabilities"]) == ("acme", {}, [])
    assert after["producer_id"] == after["identity_key"] == identity
    assert (after["name"], after["display_name"], after["description"]) == ("acme", "Acme Data", "All of it")
    assert (after["contact_info"], after["capabilities"]) == ({"email": "data@acme.example"}, ["weather"])
    assert (after["geographic_regions"], after["updated_at"]) == (["EU"], 2000)
    assert after["created_at"] == before["created_at"]


async def test_content_is_a_row_for_each_dataset(database, commit, make_record, make_replica, name):
    btc = make_record(
        "dataset/btc", mediaType="text/csv", tags=["crypto"], license="CC-BY-4.0", pricing={"model": "per-request"}
    )
    async with database.begin() as connection:
        await commit(
            connection,
            1,
            btc,
            make_record("stream/live"),
            replicas=(make_replica("btc", "us"), make_replica("btc", "eu")),
        )
        (row,) = await rows(connection, published_content)
    assert row["content_id"] == "dataset/btc"
    assert (row["name"], row["title"]) == ("btc", "dataset/btc v1")
    assert (row["content_type"], row["file_size_bytes"], row["tags"]) == ("text/csv", 12, ["crypto"])
    assert (row["license_type"], row["pricing"]) == ("CC-BY-4.0", {"model": "per-request"})
    assert row["brc22_transaction_id"] == btc.outpoint.txid
    assert (row["uhrp_hash"], row["distribution_nodes"]) == (name("part of btc"), ["eu", "us"])


async def test_what_others_count_survives_an_update(database, commit, make_record):
    async with database.begin() as connection:
        await commit(connection, 1, make_record("dataset/btc"))
        await connection.execute(update(published_content).values(download_count=7, total_revenue_satoshis=2**40))
        await commit(connection, 2, make_record("dataset/btc", 2))
        (row,) = await rows(connection, published_content)
    assert (row["title"], row["download_count"], row["total_revenue_satoshis"]) == ("dataset/btc v2", 7, 2**40)


async def test_each_copy_is_a_row_until_it_is_forgotten(database, commit, make_record, make_replica):
    async with database.begin() as connection:
        copies = make_replica("btc", "eu"), make_replica("btc", "us")
        await commit(connection, 1, make_record("dataset/btc"), replicas=copies)
        places = await rows(connection, _places())
        assert [place["distribution_id"] for place in places] == ["btc@eu", "btc@us"]
        assert {place["content_id"] for place in places} == {"dataset/btc"}
        assert {(place["distribution_status"], place["last_sync_at"]) for place in places} == {("available", 1000)}
        await Published(connection).place([], [("btc", "eu")], at=1500)
        assert [place["overlay_node_id"] for place in await rows(connection, _places())] == ["us"]
        (row,) = await rows(connection, published_content)
        assert row["distribution_nodes"] == ["us"]


async def test_a_deleted_dataset_goes_with_its_copies_although_they_still_lie_there(
    database, commit, make_record, make_replica
):
    async with database.begin() as connection:
        await commit(connection, 1, make_record("dataset/btc"), replicas=(make_replica("btc", "eu"),))
        await commit(connection, 2, deletes=(RecordId.parse("dataset/btc"),))
        assert await rows(connection, published_content) == []
        assert await rows(connection, _places()) == []
        assert len(await Published(connection).replicas()) == 1


async def test_two_datasets_may_hold_the_same_bytes(database, commit, make_record, make_replica):
    same = make_replica("one", "eu").parts
    async with database.begin() as connection:
        copies = tuple(_with_parts(make_replica(dataset, "eu"), same) for dataset in ("one", "two"))
        await commit(connection, 1, make_record("dataset/one"), make_record("dataset/two"), replicas=copies)
        assert {row["uhrp_hash"] for row in await rows(connection, published_content)} == {same[0]}


async def test_a_rebuild_leaves_rows_of_what_is_live_only_and_their_counters(database, commit, make_record):
    async with database.begin() as connection:
        await commit(connection, 1, make_record("dataset/kept"), make_record("dataset/gone"))
        await connection.execute(update(published_content).values(download_count=7))
        await Published(connection).clear()
        await commit(connection, 2, make_record("dataset/kept", 2))
        (row,) = await rows(connection, published_content)
    assert (row["content_id"], row["download_count"]) == ("dataset/kept", 7)


def _places():
    # Decimals are left to those who read them: SQLite's driver has none.
    columns = content_distribution.c
    return select(
        columns.distribution_id,
        columns.content_id,
        columns.overlay_node_id,
        columns.distribution_status,
        columns.last_sync_at,
    ).subquery()


def _with_parts(replica, parts):
    return replace(replica, parts=parts)


async def test_a_name_that_comes_back_has_earned_what_it_had(database, commit, make_record, identity):
    async with database.begin() as connection:
        await commit(connection, 1, make_record("dataset/btc"), make_record("dataset/eth"))
        common = {"producer_id": identity, "content_id": "dataset/btc", "payment_method": "brc105"}
        sold = [
            {**common, "revenue_id": "1", "amount_satoshis": 100, "payment_status": "earned"},
            {**common, "revenue_id": "2", "amount_satoshis": 2**40, "payment_status": "earned"},
            {**common, "revenue_id": "3", "amount_satoshis": 7, "payment_status": "unbooked"},
        ]
        await connection.execute(insert(producer_revenue), sold)
        await commit(connection, 2, deletes=(RecordId.parse("dataset/btc"), RecordId.parse("dataset/eth")))
        assert await rows(connection, published_content) == []
        await commit(connection, 3, make_record("dataset/btc"), make_record("dataset/eth"))
        btc, eth = await rows(connection, published_content)
    assert (btc["total_revenue_satoshis"], eth["total_revenue_satoshis"]) == (100 + 2**40, 0)
