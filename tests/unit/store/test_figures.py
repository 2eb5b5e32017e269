"""Counting for whoever watches, and what that may cost."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.store.figures import Counting, Figures


class Watch:
    """Counting where each time has a length that is known."""

    def __init__(self, database, *lengths: float) -> None:
        self.now = 1000.0
        self._times = self._read(lengths)
        self._counting = Counting(database, clock=lambda: self.now, timer=lambda: next(self._times))

    async def look(self, at: float) -> Figures:
        self.now = at
        return await self._counting.figures()

    def left(self) -> int:
        """Of the times that it might have counted, how many it did not."""
        return len(list(self._times)) // 2

    def _read(self, lengths: tuple[float, ...]) -> Iterator[float]:
        for length in lengths:
            yield 0.0
            yield length


async def test_what_was_counted_quickly_is_counted_anew_each_time(database):
    watch = Watch(database, 0.1, 0.1, 0.1)
    for _ in range(3):
        await watch.look(1000.0)
    assert watch.left() == 0


async def test_what_took_long_is_remembered_for_a_hundred_times_as_long(database):
    watch = Watch(database, 0.5, 0.1, 0.1)
    known = await watch.look(1000.0)
    assert await watch.look(1049.0) is known
    assert await watch.look(1051.0) is not known
    assert await watch.look(1051.0) is not known
    assert watch.left() == 0
