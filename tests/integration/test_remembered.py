"""A plan that is remembered is the one that would be made, or there is none."""

from __future__ import annotations

import shutil

import pytest
from sqlalchemy import delete, update

from reconciler.plan.document import plan_id
from reconciler.store.live import published_records, published_replicas, published_root


async def edit(producer, statement):
    async with producer.site() as site, site.database.begin() as connection:
        await connection.execute(statement)


async def cold(producer, **options):
    """The plan that is made where nothing is remembered."""
    shutil.rmtree(producer.home / "cache" / "plans", ignore_errors=True)
    planned = await producer.plan(**options)
    assert not planned.observation.is_unread
    return planned.plan


@pytest.fixture
async def applied(producer):
    producer.write(title="Acme")
    for name in ("one", "two", "three"):
        producer.data(f"{name}.csv", f"day,close\n2024-01-01,{name}\n")
    await producer.apply()
    await producer.apply()  # takes in the block that the first one's transactions came into
    return producer


async def remembered(producer, **options):
    """The plan once that is remembered: a block that came between two plans has made coins others."""
    for _ in range(5):
        planned = await producer.plan(**options)
        if planned.observation.is_unread:
            return planned
    raise AssertionError("nothing is remembered")


async def test_a_plan_without_changes_is_made_once_and_then_remembered(applied):
    again = await remembered(applied)

    assert again.plan.is_empty
    assert again.plan.summary.unchanged > 7
    assert plan_id(again.plan) == plan_id(await cold(applied))


async def test_rows_that_were_not_read_cannot_be_looked_at(applied):
    snapshot = (await remembered(applied)).observation.snapshot

    with pytest.raises(TypeError, match="not read"):
        list(snapshot.records)
    with pytest.raises(TypeError, match="not read"):
        len(snapshot.replicas)


EDITS = {
    "an edited record": update(published_records)
    .where(published_records.c.name == "tables/data/one.csv")
    .values(vout=77),
    "a record that is gone": delete(published_records).where(published_records.c.name == "tables/data/one.csv"),
    "an edited copy": update(published_replicas).values(size=5),
    "a copy that is gone": delete(published_replicas).where(published_replicas.c.dataset == "tables/data/two.csv"),
    "an edited root": update(published_root).values(public={"displayName": "edited"}),
}


@pytest.mark.parametrize("name", EDITS)
async def test_whatever_is_edited_in_the_database_is_found_though_a_plan_is_remembered(applied, name):
    await remembered(applied)
    await edit(applied, EDITS[name])

    found = await applied.plan()

    assert not found.observation.is_unread
    assert not found.plan.is_empty
    assert plan_id(found.plan) == plan_id(await cold(applied))


async def test_what_is_edited_in_manifests_or_content_is_found_though_a_plan_is_remembered(applied):
    await remembered(applied)
    for change in (
        lambda: applied.write(title="Another"),
        lambda: applied.data("one.csv", "day,close\n2024-01-01,other\n"),
        lambda: applied.data("four.csv", "day,close\n2024-01-01,four\n"),
    ):
        change()
        found = (await applied.plan()).plan

        assert not found.is_empty
        assert plan_id(found) == plan_id(await cold(applied))


async def test_options_are_a_part_of_what_is_remembered(applied):
    await remembered(applied)

    other = await applied.plan(max_cost=5)
    again = await remembered(applied, max_cost=5)

    assert not other.observation.is_unread
    assert again.plan.overrides == ("--max-cost 5",)
    assert plan_id(again.plan) == plan_id(await cold(applied, max_cost=5))


async def test_a_close_look_reads_everything_though_a_plan_is_remembered(applied):
    await remembered(applied)

    assert not (await applied.plan_with(refresh=True)).observation.is_unread


async def test_an_apply_that_has_nothing_to_do_is_content_with_what_is_remembered(applied):
    await remembered(applied)

    finished = [await applied.apply() for _ in range(3)]  # before any but the last one a block may come

    assert any(each.planned.observation.is_unread for each in finished)
    assert all(each.applied is None for each in finished)


@pytest.mark.parametrize("text", [b"", b"{}\n", b"0" * 64 + b"\n{}\n{}"])
async def test_what_is_damaged_is_not_remembered(applied, text):
    first = await remembered(applied)
    [path] = (applied.home / "cache" / "plans").iterdir()
    path.write_bytes(text)

    found = await applied.plan()

    assert not found.observation.is_unread
    assert plan_id(found.plan) == plan_id(first.plan)
