"""What a host knows of others, and owes them."""

from __future__ import annotations

import pytest

from reconciler.store.peers import Conduct, Forwards, KnownPeers, Progress, Progresses, Wants


async def test_a_peers_conduct_is_kept_and_the_newest_say_most(database):
    conduct = Conduct().succeeded(100).failed(50).succeeded(200)
    async with database.begin() as connection:
        await KnownPeers(connection).put("http://a", conduct, now=1)
        await KnownPeers(connection).put("http://a", conduct.failed(70), now=2)
        found = await KnownPeers(connection).get(["http://a", "http://b"])

    assert conduct == Conduct(successes=2, failures=1, streak=0, latency=125, rests_until=0)
    assert found == {"http://a": Conduct(successes=2, failures=2, streak=1, latency=125, rests_until=70)}


async def test_only_so_many_peers_are_remembered_and_those_that_were_asked_last(database):
    async with database.begin() as connection:
        for number in range(5):
            await KnownPeers(connection).put(f"http://{number}", Conduct(), now=number)
            await Progresses(connection).put(f"http://{number}", "tm_a", Progress(since=number, began=1))
        await KnownPeers(connection).forget_all_but(2)

        assert (await KnownPeers(connection).get([f"http://{number}" for number in range(5)])).keys() == {
            "http://3",
            "http://4",
        }
        assert await Progresses(connection).get("http://2", "tm_a") == Progress()
        assert await Progresses(connection).get("http://3", "tm_a") == Progress(since=3, began=1)


@pytest.fixture
def txid(name):
    return name("transaction")


async def test_a_forward_goes_to_each_peer_once_however_often_it_is_noted(database, txid):
    async with database.begin() as connection:
        forwards = Forwards(connection)
        for _ in range(2):
            await forwards.add(txid, ["tm_a", "tm_b"])
        waiting = await forwards.unaddressed(10)
        await forwards.address(waiting[:1], ["http://a", "http://b"], now=5)

        assert [each.topic for each in waiting] == ["tm_a", "tm_b"]
        assert [each.topic for each in await forwards.unaddressed(10)] == ["tm_b"]
        assert await forwards.due_peers(4) == ()
        assert await forwards.due_peers(5) == ("http://a", "http://b")


async def test_what_is_claimed_is_nobody_elses_until_then(database, txid):
    async with database.begin() as connection:
        forwards = Forwards(connection)
        await forwards.add(txid, ["tm_a"])
        await forwards.address(await forwards.unaddressed(10), ["http://a"], now=0)
        (mine,) = await forwards.claim("http://a", 10, now=1, until=100)

        assert await forwards.claim("http://a", 10, now=99, until=200) == ()
        await forwards.again([mine], due=50, failed=True)
        (again,) = await forwards.claim("http://a", 10, now=50, until=200)
        assert (again.id, again.attempts) == (mine.id, 1)
        await forwards.done([mine.id])
        assert await forwards.due_peers(1000) == ()


async def test_nothing_is_lacking_where_nothing_is_admitted(database):
    async with database.begin() as connection:
        await Wants(connection).in_vain([("ab" * 32, 1, 100)])
        await Wants(connection).in_vain([("ab" * 32, 2, 200)])
        assert await Wants(connection).due("tm_a", 10, 1000) == {}
        await Wants(connection).found(["ab" * 32])
