"""I3: two databases, one key. One transaction is mined; the other side is told, and gets its coins back when that is certain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from reconciler.model.errors import RefusedError, StalePlanError
from reconciler.model.journal import JournalState
from reconciler.plan.options import PlanOptions
from reconciler.store.journal import Journal
from reconciler.wire.http import ANSWER, Http, Reply

pytestmark = pytest.mark.long  # several machines, or many transactions: .ci/run has them


class Door:
    """A door to the network that lets a test do something before, or instead of, handing a transaction to ARC."""

    def __init__(self, http: Http, before: Any = None, answer: Reply | None = None) -> None:
        self._http = http
        self._before = before
        self._answer = answer
        self.handed = 0

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterable[bytes] | None = None,
        within: float = 10.0,
        limit: int = ANSWER,
    ) -> Reply:
        if method == "POST" and "/v1/tx" in url:
            self.handed += 1
            if self._before is not None:
                await self._before()
            if self._answer is not None:
                return replace(self._answer, url=url)
        return await self._http.request(method, url, headers=headers, content=content, within=within, limit=limit)

    def stream(self, url: str, *, headers: Mapping[str, str] | None = None, within: float = 10.0) -> Any:
        return self._http.stream(url, headers=headers, within=within)


async def _yes(_: Any) -> bool:
    return True


async def _states(producer: Any) -> list[JournalState]:
    async with producer.site() as site, site.database.begin() as connection:
        return [entry.state for entry in await Journal(connection).list(10)]


async def _check(producer: Any) -> None:
    audited = await producer.audit()
    assert audited.differences == ()
    assert (audited.in_flight, audited.balance.locked) == ((), 0)


async def test_whoever_is_behind_reads_what_the_other_applied_and_goes_on(twins):
    here, there = twins
    for generation, machine in enumerate([here, there, there, here, there], start=1):
        machine.write(title=f"Generation {generation}")
        assert (await machine.apply()).applied.generation == generation
        assert (await machine.plan()).plan.is_empty
    catalog = await here.catalog()
    assert catalog.live.document.public["displayName"] == "Generation 5"
    await _check(there)


async def test_of_two_applies_at_the_same_time_one_is_mined_and_the_other_gets_its_coins_back(twins):
    here, there = twins
    await here.apply()
    assert (await there.plan()).plan.is_empty
    here.write(title="Here")
    there.write(title="There")
    first = asyncio.Event()

    async def apply_here() -> Any:
        try:
            return await here.apply()
        finally:
            first.set()

    won, lost = await asyncio.gather(
        apply_here(), there.apply(http=lambda http: Door(http, first.wait)), return_exceptions=True
    )

    assert won.applied.generation == 2
    assert isinstance(lost, StalePlanError)
    assert "coins are free again" in lost.message
    assert await _states(there) == [JournalState.VOID]
    assert (await there.apply()).applied.generation == 3
    assert (await there.catalog()).live.document.public["displayName"] == "There"
    await _check(there)


async def test_coins_of_a_contest_stay_locked_until_a_block_decides_it(twins):
    here, there = twins
    await here.apply()
    await there.apply()
    here.write(title="Here")
    there.write(title="There")
    async with here.site() as world:  # a world that mines by hand
        world.toy.ledger.block_time = 0
        first = asyncio.Event()

        async def apply(machine: Any, **options: Any) -> Any:
            async with machine.site() as site:
                site.toy.ledger.block_time = 0
                reconciler, desired = await machine.reconciler(site, **options)
                reconciler = replace(reconciler, contest_patience=0.5)
                return await reconciler.apply(desired, PlanOptions(), agree=_yes, halted=lambda: False)

        async def apply_here() -> Any:
            try:
                return await apply(here)
            finally:
                first.set()

        _, lost = await asyncio.gather(
            apply_here(), apply(there, http=lambda http: Door(http, first.wait)), return_exceptions=True
        )
        assert isinstance(lost, StalePlanError)
        assert await _states(there) == [JournalState.CONTESTED]
        with pytest.raises(StalePlanError, match="another transaction spends"):
            await apply(there)
        assert await _states(there) == [JournalState.CONTESTED]
        await world.toy.ledger.mine()
    assert (await there.apply()).applied.generation == 3
    assert JournalState.VOID in await _states(there)
    await _check(there)


@pytest.mark.parametrize("is_genesis", [True, False], ids=["genesis", "update"])
async def test_what_the_only_arc_refuses_locks_nothing_and_the_next_apply_goes_on(producer, is_genesis):
    if not is_genesis:
        await producer.apply()
        producer.write(title="After")
    refusal = Reply("", 465, {"content-type": "application/json"}, b'{"status": 465, "detail": "Fee too low"}')
    with pytest.raises(StalePlanError, match="did not take"):
        await producer.apply(http=lambda http: Door(http, answer=refusal))
    assert (await _states(producer))[0] is JournalState.REFUSED
    audited = await producer.audit()
    assert (audited.differences, audited.balance.locked, audited.in_flight) == ((), 0, ())
    finished = await producer.apply()
    assert finished.applied.generation == (1 if is_genesis else 2)
    await _check(producer)


async def test_a_refusal_that_is_about_us_decides_nothing(producer):
    refusal = Reply("", 401, {"content-type": "application/json"}, b'{"status": 401, "detail": "Unauthorized"}')
    with pytest.raises(RefusedError, match="401"):
        await producer.apply(http=lambda http: Door(http, answer=refusal))
    assert await _states(producer) == [JournalState.SENDING]
    finished = await producer.apply()
    assert finished.applied is None  # it was finished before the plan
    assert (await producer.catalog()).root.generation == 1
    await _check(producer)
