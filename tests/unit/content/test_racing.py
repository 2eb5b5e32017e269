"""Ways that are tried one after the other, or beside each other."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.content.racing import first_of
from reconciler.model.errors import UnreachableError


class Ways:
    """Each is told by name when to end, and how."""

    def __init__(self, *names: str) -> None:
        self.ends = {name: asyncio.get_running_loop().create_future() for name in names}
        self.begun: list[str] = []
        self.called_off: list[str] = []
        self.four = asyncio.Event()

    def __iter__(self):
        return iter([lambda name=name: self.go(name) for name in self.ends])

    async def go(self, name: str) -> str:
        self.begun.append(name)
        if len(self.begun) == 4:
            self.four.set()
        try:
            return await self.ends[name]
        except asyncio.CancelledError:
            self.called_off.append(name)
            raise


async def test_the_next_way_is_tried_where_one_fails():
    ways = Ways("a", "b", "c")
    ways.ends["a"].set_exception(UnreachableError("gone"))
    ways.ends["b"].set_result("here")
    assert await first_of([*ways], pause=None) == "here"
    assert ways.begun == ["a", "b"]


async def test_one_that_takes_its_time_has_another_beside_it_and_is_called_off():
    ways = Ways("a", "b")
    ways.ends["b"].set_result("here")
    assert await first_of([*ways], pause=0) == "here"
    assert (ways.begun, ways.called_off) == (["a", "b"], ["a"])


async def test_no_more_than_four_are_tried_at_once():
    ways = Ways(*"abcdef")
    running = asyncio.ensure_future(first_of([*ways], pause=0))
    await ways.four.wait()
    await asyncio.sleep(0)
    assert ways.begun == [*"abcd"]
    ways.ends["b"].set_exception(UnreachableError("gone"))
    ways.ends["e"].set_result("here")
    assert await running == "here"
    assert sorted(ways.called_off) == [*"acd"]


async def test_where_all_fail_the_first_failure_is_told():
    ways = Ways("a", "b")
    for name, end in ways.ends.items():
        end.set_exception(UnreachableError(name))
    with pytest.raises(UnreachableError, match="a"):
        await first_of([*ways], pause=None)
    with pytest.raises(ValueError, match="no way"):
        await first_of([], pause=None)


async def test_a_mistake_of_ours_is_not_taken_for_a_failure_of_theirs():
    ways = Ways("a", "b")
    ways.ends["a"].set_exception(KeyError("a"))
    with pytest.raises(KeyError):
        await first_of([*ways], pause=None)
    assert ways.begun == ["a"]


async def test_who_is_called_off_calls_off_all():
    ways = Ways("a", "b")
    running = asyncio.ensure_future(first_of([*ways], pause=None))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ways.called_off == ["a"]
