"""How other hosts have behaved: who is asked first, who is left in peace for a while, and what counts as a failure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Final

from reconciler.model.backoff import Backoff
from reconciler.model.errors import RefusedError, TransientError, VerificationError
from reconciler.store.database import Database
from reconciler.store.peers import Conduct, KnownPeers

MOST: Final = 1_000
"""Peers that are remembered."""

_RESTS: Final = Backoff(first=10.0, most=6 * 3600.0)
_TRIED: Final = 1
"""Of those that are asked, how many places are kept for peers that nobody knows yet, so that somebody new is ever heard."""

FAILURES: Final = (RefusedError, TransientError, VerificationError)
"""What a peer can fail by: it says no, it does not answer, it lies."""


class Acquaintances:
    """How the peers of one host have behaved, in its database. `dice` gives numbers from 0 to 1."""

    def __init__(self, database: Database, *, clock: Callable[[], float], dice: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._dice = dice

    async def best(self, urls: Collection[str], most: int) -> tuple[str, ...]:
        """At most so many of these, the most reliable and then the fastest first; none that rests."""
        now = self._clock()
        async with self._database.reading() as connection:
            known = await KnownPeers(connection).get(urls)
        awake = [url for url in dict.fromkeys(urls) if url not in known or known[url].rests_until <= now]
        ranked = sorted((url for url in awake if url in known), key=lambda url: _rank(known[url]))
        new = [url for url in awake if url not in known]
        places = max(most - len(new), most - _TRIED) if new else most
        return tuple([*ranked[:places], *new][:most])

    async def rests_until(self, url: str) -> int:
        """When a peer may be asked again, in unix seconds; 0 where it may be now."""
        async with self._database.reading() as connection:
            known = (await KnownPeers(connection).get([url])).get(url, Conduct())
        return known.rests_until if known.rests_until > self._clock() else 0

    @asynccontextmanager
    async def asked(self, url: str) -> AsyncIterator[None]:
        """A block in which a peer is asked: its time is taken, and one of FAILURES that ends it is held against the peer."""
        begun = self._clock()
        try:
            yield
        except FAILURES:
            await self._note(url, lambda known: known.failed(self._rest(known)))
            raise
        latency = max(1, round((self._clock() - begun) * 1000))
        await self._note(url, lambda known: known.succeeded(latency))

    def _rest(self, known: Conduct) -> int:
        return int(self._clock() + _RESTS.seconds(known.streak + 1, self._dice()))

    async def _note(self, url: str, change: Callable[[Conduct], Conduct]) -> None:
        async with self._database.begin() as connection:
            peers = KnownPeers(connection)
            known = (await peers.get([url])).get(url)
            await peers.put(url, change(known or Conduct()), now=int(self._clock()))
            if known is None:
                await peers.forget_all_but(MOST)


def _rank(known: Conduct) -> tuple[float, int]:
    return -round(known.reliability, 1), known.latency
