"""Several ARCs for those who are waited for: who fails is left out for a while."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.chain.arc import Arc
from reconciler.chain.health import FAILURES, SLOW, Health
from reconciler.chain.providers import Provider, Providers
from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.wire.arc import TxStatus
from reconciler.wire.http import Reply

ONE, OTHER = "https://one.example", "https://other.example"
TXID = "ab" * 32


class World:
    """Two processors, a clock, and what each of them does when it is asked."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[str] = []
        self.tokens: set[str | None] = set()
        self.answers = {ONE: TxStatus.SEEN_ON_NETWORK, OTHER: TxStatus.SEEN_ON_NETWORK}
        self.takes = {ONE: 0.1, OTHER: 0.1}
        self.providers = Providers(
            [
                Provider("one", Arc(self, ONE, token="secret"), clock=lambda: self.now),
                Provider("other", Arc(self, OTHER), clock=lambda: self.now),
            ]
        )

    async def request(self, method, url, *, headers=None, content=None, within=10.0, limit=0):
        origin = url.partition("/v1")[0]
        self.asked.append(origin)
        self.tokens.add((headers or {}).get("Authorization"))
        self.now += self.takes[origin]
        match self.answers[origin]:
            case None:
                raise UnreachableError("it does not answer", where=origin)
            case int(code):
                return Reply(url, code, {}, json.dumps({"status": code, "detail": "no"}).encode())
            case status:
                return Reply(url, 200, {}, json.dumps({"txid": TXID, "txStatus": status.value}).encode())

    async def looks(self, count: int) -> list[str]:
        """Who was asked in so many looks at a transaction."""
        self.asked.clear()
        for _ in range(count):
            await self.providers.status(TXID)
        return self.asked


@pytest.fixture
def world():
    return World()


async def test_all_are_asked_as_long_as_they_answer(world):
    assert await world.looks(2) == [ONE, OTHER] * 2
    assert world.tokens == {"Bearer secret", None}


async def test_who_fails_three_times_rests_and_is_asked_once_afterwards(world):
    world.answers[ONE] = None
    assert await world.looks(FAILURES + 2) == [*[ONE, OTHER] * FAILURES, OTHER, OTHER]
    world.now += 10
    assert await world.looks(2) == [ONE, OTHER, OTHER]  # and it failed again, so it rests for longer
    world.now += 10
    assert await world.looks(1) == [OTHER]
    world.answers[ONE] = TxStatus.SEEN_ON_NETWORK
    world.now += 10
    assert await world.looks(2) == [ONE, OTHER] * 2


async def test_who_is_slow_rests_as_well(world):
    world.takes[ONE] = SLOW
    await world.looks(FAILURES)
    assert await world.looks(1) == [OTHER]


@pytest.mark.parametrize(("code", "rests"), [(401, True), (404, False), (465, False), (503, True)])
async def test_what_is_said_of_the_transaction_is_an_answer_and_what_is_said_of_us_is_none(world, code, rests):
    world.answers[ONE] = code
    await world.looks(FAILURES)
    assert (await world.looks(1) == [OTHER]) is rests


async def test_where_all_fail_all_are_asked(world):
    world.answers = {ONE: None, OTHER: None}
    for _ in range(FAILURES + 1):
        with pytest.raises(UnreachableError):
            await world.looks(1)
    assert world.asked == [ONE, OTHER]


async def test_a_price_is_had_of_the_first_that_answers(world):
    world.answers[ONE] = None
    with pytest.raises(UnreachableError):
        await world.providers.policy()  # neither of these two says one
    assert world.asked == [ONE, OTHER]


async def test_who_refuses_us_raises(world):
    world.answers = {ONE: 401, OTHER: 401}
    with pytest.raises(RefusedError):
        await world.looks(1)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 2 * SLOW), st.floats(0, 1000)), max_size=30))
def test_a_rest_follows_failures_in_a_row_and_is_bounded(asked):
    health, now, failures = Health(), 0.0, 0
    for answered, took, later in asked:
        now += later
        health = health.asked(now, took=took, answered=answered)
        failures = 0 if answered and took < SLOW else failures + 1
        assert health.rests(now) is (failures >= FAILURES)
        assert not health.rests(now + 300)
