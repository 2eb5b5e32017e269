"""Counting for whoever watches, and what that may cost."""

from __future__ import annotations

from reconciler.store import figures as store
from reconciler.store.figures import Counting, Figures
from reconciler.store.leases import SERVE, Leases, Owner

NOW = 1_800_000_000


class Watch:
    """Counting what was sold where each time has a length that is known."""

    def __init__(self, database, monkeypatch, *lengths: float) -> None:
        self.clock = NOW
        self._now, self._lengths, honest = 0.0, list(lengths), store._sold
        self._counting = Counting(database, clock=lambda: self.clock, timer=lambda: self._now)

        async def sold(connection):
            self._now += self._lengths.pop(0)
            return await honest(connection)

        monkeypatch.setattr(store, "_sold", sold)

    async def look(self, at: float) -> Figures:
        """The figures so many seconds after the beginning."""
        self._now = at
        return await self._counting.figures()

    def left(self) -> int:
        """Of the times that it might have counted, how many it did not."""
        return len(self._lengths)


async def test_what_was_counted_quickly_is_counted_anew_each_time(database, monkeypatch):
    watch = Watch(database, monkeypatch, 0.1, 0.1, 0.1)
    for each in range(3):
        await watch.look(1000.0 + each)
    assert watch.left() == 0


async def test_what_took_long_is_remembered_for_a_hundred_times_as_long_whatever_the_clock_says(database, monkeypatch):
    watch = Watch(database, monkeypatch, 0.5, 0.1, 0.1)
    known = (await watch.look(1000.0)).sold
    watch.clock -= 86_400
    assert (await watch.look(1050.0)).sold is known
    assert (await watch.look(1051.0)).sold is not known
    assert (await watch.look(1052.0)).sold is not known
    assert watch.left() == 0


async def test_nothing_is_remembered_for_longer_than_alerts_wait_and_who_leads_not_at_all(database, monkeypatch):
    watch = Watch(database, monkeypatch, 60.0, 60.0)
    first = await watch.look(1000.0)
    async with database.begin() as connection:
        await Leases(connection).acquire(SERVE, Owner("id", "host", 1, "boot"), now=NOW, ttl=60)
    second = await watch.look(1359.0)
    assert (first.leaders, second.leaders, second.sold is first.sold) == (0, 1, True)
    assert (await watch.look(1361.0)).sold is not first.sold
