"""Paging and filters of the catalog."""

from __future__ import annotations

import pytest


@pytest.fixture
async def shelf(publisher, make):
    await publisher.publish(
        [
            make("dataset/apples", title="Äpfel and pears", tags=["fruit", "garden"]),
            make("dataset/b/one", description="Read by APPLE growers"),
            make("dataset/b/two", tags=["garden"]),
            make("stream/apples", tags=["fruit"], has_content=False),
            make("advertisement/feeds", capability="crypto-price-feeds", has_content=False),
        ]
    )


async def names(get, **query):
    return [f"{each['kind']}/{each['name']}" for each in (await get("/v1/catalog", **query))["records"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["advertisement/feeds", "dataset/apples", "dataset/b/one", "dataset/b/two", "stream/apples"]),
        ({"kind": "dataset"}, ["dataset/apples", "dataset/b/one", "dataset/b/two"]),
        ({"kind": "producer"}, []),
        ({"tag": "garden"}, ["dataset/apples", "dataset/b/two"]),
        ({"tag": "gard"}, []),
        ({"q": "apple"}, ["dataset/apples", "dataset/b/one", "stream/apples"]),
        ({"q": "ÄPFEL"}, ["dataset/apples"]),
        ({"q": "price-feeds"}, ["advertisement/feeds"]),
        ({"kind": "dataset", "tag": "fruit", "q": "pears"}, ["dataset/apples"]),
        ({"q": "%"}, []),
        (
            {"q": "", "kind": "", "tag": ""},
            ["advertisement/feeds", "dataset/apples", "dataset/b/one", "dataset/b/two", "stream/apples"],
        ),
    ],
)
async def test_all_that_is_asked_for_must_hold(get, shelf, query, found):
    assert await names(get, **query) == found


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6])
async def test_pages_together_are_the_whole_catalog_each_record_once(get, shelf, limit):
    found, cursor = [], None
    while True:
        query = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        answer = await get("/v1/catalog", **query)
        assert 0 < len(answer["records"]) <= limit
        found += [f"{each['kind']}/{each['name']}" for each in answer["records"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert found == await names(get)


async def test_a_cursor_survives_a_generation_in_between_and_the_record_it_names(get, shelf, publisher, make):
    first = await get("/v1/catalog", limit=2)
    await publisher.publish([make("dataset/aaa"), make("dataset/b/one"), make("dataset/zzz")], generation=2)
    assert await names(get, cursor=first["next"]) == ["dataset/b/one", "dataset/zzz"]


async def test_a_page_has_fifty_records_unless_asked_otherwise(get, publisher, make):
    await publisher.publish([make(f"dataset/t{number:03}") for number in range(120)])
    assert len(await names(get)) == 50
    assert len(await names(get, limit=500)) == 120
