"""Telling other hosts what was submitted here: those that advertise the topic by SHIP, as the reference's engine does.

What is owed lies in the database, written with the admission, so that neither a restart nor a peer that is away loses it. Only
what is new here is passed on, and what came from a peer by GASP is not: so every transaction stops where it is known already,
whatever circle the hosts stand in. A peer that does not get it in the end catches up by GASP.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from reconciler.host.peers import Acquaintances
from reconciler.host.ports import Peers
from reconciler.model.backoff import Backoff
from reconciler.model.errors import RefusedError, StateError, TransientError, VerificationError
from reconciler.model.ids import Txid
from reconciler.store.database import Database
from reconciler.store.documents import Documents
from reconciler.store.outputs import Outputs
from reconciler.store.peers import Forward, Forwards
from reconciler.store.transactions import Transactions
from reconciler.store.works import Connection
from reconciler.wire.submission import Submission, pack_documents

QUEUE: Final = 20_000
"""Deliveries that are remembered; beyond, the oldest are given up."""

_PEERS: Final = 8
"""Of one topic that are told, and that are told at the same time."""

_AT_ONCE: Final = 50
"""Deliveries that one peer gets in one round."""

_ATTEMPTS: Final = 12
_PAUSES: Final = Backoff(first=5.0, most=3600.0)
_CLAIM_SECONDS: Final = 600
"""How long a delivery is this process's; it is tried by another one if this one dies."""


class Propagation:
    """Satisfies host.ports.Outgoing. `dice` gives numbers from 0 to 1."""

    def __init__(
        self,
        *,
        database: Database,
        peers: Peers,
        acquaintances: Acquaintances,
        clock: Callable[[], float],
        dice: Callable[[], float],
    ) -> None:
        self._database = database
        self._peers = peers
        self._acquaintances = acquaintances
        self._clock = clock
        self._dice = dice
        self._news = asyncio.Event()

    async def add(self, connection: Connection, txid: Txid, topics: Sequence[str]) -> None:
        """See host.ports.Outgoing."""
        await Forwards(connection).add(txid, topics)

    def wake(self) -> None:
        """See host.ports.Outgoing."""
        self._news.set()

    async def run(self, every: float) -> None:
        """Rounds for ever: at once when there is news, else every so many seconds."""
        while True:
            self._news.clear()
            with suppress(TransientError):  # our own database; the next round comes anyway
                while await self.round():
                    pass
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), every)

    async def round(self) -> int:
        """Look up who is to be told what, and tell those whose time has come; how many deliveries arrived."""
        await self._address()
        now = int(self._clock())
        async with self._database.begin() as connection:
            await Forwards(connection).drop_beyond(QUEUE)
            due = await Forwards(connection).due_peers(now)
        return sum(await asyncio.gather(*(self._tell(peer) for peer in due[:_PEERS])))

    async def _address(self) -> None:
        async with self._database.reading() as connection:
            waiting = await Forwards(connection).unaddressed(_AT_ONCE * _PEERS)
        by_topic: defaultdict[str, list[Forward]] = defaultdict(list)
        for forward in waiting:
            by_topic[forward.topic].append(forward)
        for topic, forwards in by_topic.items():
            with suppress(TransientError, RefusedError):  # no tracker answers: they wait
                peers = await self._acquaintances.best(await self._peers.advertised(topic), _PEERS)
                async with self._database.begin() as connection:
                    await Forwards(connection).address(forwards, peers, now=int(self._clock()))

    async def _tell(self, peer: str) -> int:
        now = int(self._clock())
        async with self._database.begin() as connection:
            claimed = await Forwards(connection).claim(peer, _AT_ONCE, now=now, until=now + _CLAIM_SECONDS)
        rest = await self._acquaintances.rests_until(peer)
        arrived = 0
        for place, forward in enumerate(claimed):
            if rest:
                await self._put_off(claimed[place:], due=rest)
                break
            if await self._deliver(peer, forward):
                arrived += 1
            rest = await self._acquaintances.rests_until(peer)
        return arrived

    async def _deliver(self, peer: str, forward: Forward) -> bool:
        """Whether the peer has it now. What it will never take is forgotten."""
        submission = await self._submission(forward)
        if submission is not None:
            try:
                async with self._acquaintances.asked(peer):
                    await self._peers.at(peer).submit(submission)
            except TransientError:
                await self._failed(forward)
                return False
            except (RefusedError, VerificationError):
                submission = None
        async with self._database.begin() as connection:
            await Forwards(connection).done([forward.id])
        return submission is not None

    async def _submission(self, forward: Forward) -> Submission | None:
        """The transaction with its proofs, and what documents of its outputs are here; None where it is gone."""
        async with self._database.reading() as connection:
            try:
                beef = await Transactions(connection).beef([forward.txid])
            except StateError:  # evicted by a conflict, or unproven by a reorg just now
                return None
            needed = await Outputs(connection).needs_of(forward.txid, forward.topic)
            documents = await Documents(connection).find(needed)
        off_chain = (
            pack_documents([documents[digest] for digest in needed if digest in documents]) if documents else None
        )
        return Submission(beef.to_atomic(forward.txid), (forward.topic,), off_chain)

    async def _failed(self, forward: Forward) -> None:
        async with self._database.begin() as connection:
            if forward.attempts + 1 >= _ATTEMPTS:
                await Forwards(connection).done([forward.id])
            else:
                due = int(self._clock() + _PAUSES.seconds(forward.attempts + 1, self._dice()))
                await Forwards(connection).again([forward], due=due, failed=True)

    async def _put_off(self, forwards: Sequence[Forward], *, due: int) -> None:
        async with self._database.begin() as connection:
            await Forwards(connection).again(forwards, due=due, failed=False)
