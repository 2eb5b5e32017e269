"""One read for all who ask at once, which begins after they have asked."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.model.errors import StateError
from reconciler.store.shared import Shared


class Reading:
    """A value that is read slowly: each read waits until it is let go."""

    def __init__(self) -> None:
        self.value = 0
        self.reads = 0
        self.go = asyncio.Semaphore(0)

    async def __call__(self) -> int:
        self.reads += 1
        value = self.value
        await self.go.acquire()
        if value < 0:
            raise StateError("there is none")
        return value


async def asked(shared: Shared[int], count: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(shared.now()) for _ in range(count)]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def test_those_who_ask_together_share_one_read():
    reading = Reading()
    reading.go.release()

    assert await asyncio.gather(*await asked(Shared(reading), 10)) == [0] * 10
    assert reading.reads == 1


async def test_who_asks_during_a_read_is_told_what_was_there_when_he_asked_or_later():
    reading = Reading()
    shared = Shared(reading)
    early = await asked(shared, 2)
    reading.value = 1
    late = await asked(shared, 3)
    assert reading.reads == 1

    for _ in range(2):
        reading.go.release()

    assert await asyncio.gather(*early) == [0, 0]
    assert await asyncio.gather(*late) == [1, 1, 1]
    assert reading.reads == 2


async def test_what_a_read_raises_is_raised_for_all_of_it_and_the_next_reads_anew():
    reading = Reading()
    shared = Shared(reading)
    reading.value = -1
    failing = await asked(shared, 2)
    for _ in range(2):
        reading.go.release()
    outcomes = await asyncio.gather(*failing, return_exceptions=True)
    reading.value = 2

    assert [type(outcome) for outcome in outcomes] == [StateError, StateError]
    assert await shared.now() == 2


async def test_who_gives_up_takes_the_answer_from_nobody():
    reading = Reading()
    gone, staying = await asked(Shared(reading), 2)
    gone.cancel()
    reading.go.release()

    assert await staying == 0
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_a_read_that_fails_after_all_have_given_up_is_nobodys_error(caplog):
    reading = Reading()
    reading.value = -1
    (gone,) = await asked(shared := Shared(reading), 1)
    gone.cancel()
    reading.value = 3
    for _ in range(2):
        reading.go.release()

    assert await shared.now() == 3
    assert not caplog.records
