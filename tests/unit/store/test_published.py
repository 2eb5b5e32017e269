from __future__ import annotations

import pytest

from reconciler.model.errors import StateError
from reconciler.model.ids import RecordId
from reconciler.store.outcome import Outcome
from reconciler.store.published import Generation, Published


@pytest.fixture
def make_outcome(make_root, identity):
    def make(generation, *upserts, branch="", **fields) -> Outcome:
        root = make_root(generation, branch)
        return Outcome(identity=identity, root=root, upserts=upserts, at=1000 * generation, **fields)

    return make


async def test_nothing_is_live_at_first(database):
    async with database.begin() as connection:
        published = Published(connection)
        assert await published.root() is None
        assert await published.records() == {}
        assert await published.replicas() == ()
        assert await published.generations(10) == ()


async def test_what_an_outcome_says_is_live(database, make_outcome, make_record, make_replica):
    btc, live = make_record("dataset/btc"), make_record("stream/live")
    copies = (make_replica("btc", "eu"), make_replica("btc", "us"))
    outcome = make_outcome(1, live, btc, replicas=copies[::-1], commit="0123abc")
    async with database.begin() as connection:
        assert await Published(connection).commit(outcome)
    async with database.begin() as connection:
        published = Published(connection)
        assert await published.root() == outcome.root
        assert list((await published.records()).items()) == [(btc.id, btc), (live.id, live)]
        assert await published.replicas() == copies
        assert await published.generations(10) == (
            Generation(
                generation=1,
                outpoint=outcome.root.record.outpoint,
                state_root=outcome.root.state_root,
                leaf_count=1,
                written=2,
                deleted=0,
                commit="0123abc",
                at=1000,
            ),
        )


async def test_the_live_tokens_of_some_transactions_are_known_without_what_they_say(
    database, make_outcome, make_record
):
    btc, live = make_record("dataset/btc"), make_record("stream/live")
    outcome = make_outcome(1, live, btc)
    async with database.begin() as connection:
        await Published(connection).commit(outcome)
    outpoints = sorted(each.outpoint for each in (outcome.root.record, btc, live))
    async with database.begin() as connection:
        published = Published(connection)
        assert await published.made_by({each.txid for each in outpoints}) == tuple(outpoints)
        only = await published.made_by([btc.outpoint.txid])
        assert only == tuple(each for each in outpoints if each.txid == btc.outpoint.txid)
        assert await published.made_by([]) == ()


async def test_the_next_outcome_changes_what_it_names_and_nothing_else(
    database, make_outcome, make_record, make_replica
):
    first = make_outcome(
        1,
        *(make_record(f"dataset/{name}") for name in ("btc", "eth", "doge")),
        replicas=(make_replica("btc", "eu"), make_replica("eth", "eu"), make_replica("btc", "us")),
    )
    btc = make_record("dataset/btc", 2)
    second = make_outcome(
        2,
        btc,
        deletes=(RecordId.parse("dataset/eth"),),
        replicas=(make_replica("btc", "eu", expires=9000),),
        forgotten=(("eth", "eu"),),
    )
    async with database.begin() as connection:
        published = Published(connection)
        await published.commit(first)
        await published.commit(second)
        assert await published.root() == second.root
        assert await published.records() == {btc.id: btc, first.upserts[2].id: first.upserts[2]}
        assert await published.replicas() == (make_replica("btc", "eu", expires=9000), make_replica("btc", "us"))
        assert [(each.generation, each.written, each.deleted) for each in await published.generations(10)] == [
            (2, 1, 1),
            (1, 3, 0),
        ]
        assert [each.generation for each in await published.generations(1)] == [2]


async def test_an_outcome_that_was_live_before_changes_nothing(database, make_outcome, make_record):
    first, second = make_outcome(1, make_record("dataset/btc")), make_outcome(2, make_record("dataset/btc", 2))
    async with database.begin() as connection:
        published = Published(connection)
        await published.commit(first)
        await published.commit(second)
        assert not await published.commit(second)
        assert not await published.commit(first), "an earlier entry that is seen again"
        assert await published.root() == second.root
        assert await published.records() == {record.id: record for record in second.upserts}


@pytest.mark.parametrize("generation", [1, 2])
async def test_another_history_never_replaces_what_is_live_silently(database, make_outcome, generation):
    async with database.begin() as connection:
        published = Published(connection)
        await published.commit(make_outcome(1))
        await published.commit(make_outcome(2))
        with pytest.raises(StateError, match="another history") as refused:
            await published.commit(make_outcome(generation, branch=" by another"))
    assert "state rebuild" in refused.value.hint


async def test_a_rebuilt_state_replaces_everything_and_the_history_that_lost(database, make_outcome, make_record):
    async with database.begin() as connection:
        published = Published(connection)
        for generation in (1, 2, 3):
            await published.commit(make_outcome(generation, make_record(f"dataset/mine-{generation}")))
        await published.clear()
        assert await published.root() is None
        assert await published.records() == {}
        rebuilt = make_outcome(2, make_record("dataset/theirs"), branch=" by another")
        assert await published.commit(rebuilt)
        assert await published.root() == rebuilt.root
        assert set(await published.records()) == {RecordId.parse("dataset/theirs")}
        history = await published.generations(10)
    assert [each.generation for each in history] == [2, 1]
    assert history[0].outpoint == rebuilt.root.record.outpoint


async def test_copies_are_noted_without_a_new_root(database, make_outcome, make_record, make_replica):
    async with database.begin() as connection:
        published = Published(connection)
        await published.place([make_replica("btc", "eu")], at=1)
        await published.commit(make_outcome(1, make_record("dataset/btc")))
        await published.place([make_replica("btc", "us")], [("btc", "eu")], at=2)
        assert await published.replicas() == (make_replica("btc", "us"),)
        assert len(await published.generations(10)) == 1


async def test_ten_thousand_records_are_made_live_in_one_go(database, make_outcome, make_record, make_replica):
    names = [f"n-{number}" for number in range(10_000)]
    outcome = make_outcome(
        1,
        *(make_record(f"dataset/{name}") for name in names),
        replicas=tuple(make_replica(name, "eu") for name in names),
    )
    async with database.begin() as connection:
        await Published(connection).commit(outcome)
        assert len(await Published(connection).records()) == 10_000
        deletes = tuple(record.id for record in outcome.upserts[5000:])
        await Published(connection).commit(make_outcome(2, deletes=deletes))
        assert len(await Published(connection).records()) == 5000
