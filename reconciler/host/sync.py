"""Catching up with other hosts: what they keep and we do not, topic by topic (GASP), and the documents that go with it.

A peer lists what is unspent, oldest first; what is lacking here is fetched, some at a time, verified, and written in one
database transaction, with the score up to which the list has been looked at. So whoever is killed goes on where he was.
Nothing a peer says is believed, and all of it is bounded: a list, a graph, a round, its failures and its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from reconciler.host.engine import Engine
from reconciler.host.graphs import Graphs
from reconciler.host.peers import FAILURES, Acquaintances
from reconciler.host.ports import Peer, Peers
from reconciler.model.backoff import Backoff
from reconciler.model.errors import RefusedError, StateError, TransientError, UnreachableError, VerificationError
from reconciler.model.ids import Digest, Outpoint, Txid
from reconciler.store.batches import batches
from reconciler.store.database import Database
from reconciler.store.documents import Documents
from reconciler.store.host_transactions import HostTransactions
from reconciler.store.outputs import Outputs
from reconciler.store.peers import Progress, Progresses, Wants
from reconciler.store.transactions import Transactions
from reconciler.wire.beef import Beef
from reconciler.wire.gasp import PAGE, KnownOutput, ListRequest
from reconciler.wire.transaction import Transaction

_PEERS: Final = 8
"""That are followed in one topic."""

_TOGETHER: Final = 4
"""That are followed at the same time."""

_WINDOW: Final = 8
"""Graphs and documents that one peer is asked for at the same time."""

_BATCH: Final = 100
"""Transactions that are written at once."""

_BATCH_BYTES: Final = 16 * 1024 * 1024

_OUTPUTS: Final = 200_000
"""That are looked at in one round; the next goes on."""

_BAD: Final = 20
"""Graphs of one round that may be no good, if they are more than those that are, before the peer is left alone."""

_STEP: Final = 200
"""Outputs after which it is written down how far the list was looked at."""

_SECONDS: Final = 900.0
"""That one round with one peer may take."""

_ANEW: Final = 24 * 3600
"""Seconds after which a peer is asked for everything once more: what was refused may hold by now, what was lost be there."""

_SOON: Final = 3600
"""The same where something was refused: it may only have to be mined."""

_LACKING: Final = 500
"""Documents that are looked for in one round."""

_PAUSES: Final = Backoff(first=30.0, most=6 * 3600.0)

T = TypeVar("T")


@dataclass(slots=True)
class Caught:
    """What came of following one peer in one topic."""

    taken: int = 0
    """Transactions."""
    refused: int = 0
    """Graphs that were no good, or too large."""


@dataclass(slots=True)
class _Batch:
    """What is fetched of one peer, and not written yet."""

    graphs: Graphs
    tips: list[Outpoint] = field(default_factory=list)
    documents: dict[Digest, bytes] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        size = self.graphs.bytes + sum(map(len, self.documents.values()))
        return len(self.tips) >= _BATCH or size >= _BATCH_BYTES


class Synchroniser:
    """Keeps one host's topics up to date with the peers it knows. `dice` gives numbers from 0 to 1."""

    def __init__(
        self,
        *,
        engine: Engine,
        database: Database,
        peers: Peers,
        acquaintances: Acquaintances,
        clock: Callable[[], float],
        dice: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._database = database
        self._peers = peers
        self._acquaintances = acquaintances
        self._clock = clock
        self._dice = dice

    async def run(self, every: float) -> None:
        """Rounds for ever, `every` so many seconds."""
        while True:
            with suppress(TransientError, RefusedError):  # the next round comes anyway
                await self.round()
            await asyncio.sleep(every)

    async def round(self) -> int:
        """Follow every peer in every topic, then look for documents; how many transactions came. A peer's failures are its own.

        Raises UnreachableError or RefusedError where it cannot be said who the peers are.
        """
        taken = 0
        for topic in self._engine.topics:
            peers = await self._acquaintances.best(await self._peers.known(topic), _PEERS)
            for together in batches(peers, _TOGETHER):
                found = await asyncio.gather(*(self._try(peer, topic) for peer in together))
                taken += sum(each.taken for each in found)
            await self.hunt(topic, peers)
        return taken

    async def follow(self, url: str, topic: str) -> Caught:
        """Catch up with one peer in one topic. Raises what the peer fails by; what was taken until then stays."""
        peer, caught = self._peers.at(url), Caught()
        until, looked = self._clock() + _SECONDS, 0
        progress = await self._begin(url, topic)
        while looked < _OUTPUTS and self._clock() < until:
            try:
                answer = await peer.listed(topic, ListRequest(progress.since, PAGE))
            except RefusedError:  # it does not keep the topic, or tells nobody
                return caught
            outputs = sorted(answer.outputs, key=lambda output: output.score)
            looked += len(outputs)
            before = progress.since
            for batch in batches(outputs, _STEP):
                await self._catch_up(peer, topic, await self._lacking(topic, batch), caught, until)
                if self._clock() >= until:
                    return caught
                began = progress.began if not caught.refused else min(progress.began, self._now() - _ANEW + _SOON)
                progress = Progress(since=max(progress.since, batch[-1].score), began=began)
                await self._note(url, topic, progress)
                if caught.refused >= max(_BAD, caught.taken):
                    raise UnreachableError(f"{url} lists what it does not give, or what does not hold", where=url)
            if len(outputs) < PAGE:
                return caught
            if progress.since == before:
                raise UnreachableError(f"{url} lists {topic} without end", where=url)
        return caught

    async def hunt(self, topic: str, peers: Sequence[str]) -> int:
        """Ask peers, one after the other, for the documents that outputs of a topic lack; how many were found."""
        now, until = self._now(), self._clock() + _SECONDS
        async with self._database.reading() as connection:
            wanted = await Wants(connection).due(topic, _LACKING, now)
        lacking, count = list(wanted), 0
        for url in peers:
            for some in batches(tuple(lacking), _WINDOW):
                if self._clock() >= until:
                    break
                found = await self._documents(self._peers.at(url), some)
                if found:
                    await self._engine.offer(list(found.values()))
                    async with self._database.begin() as connection:
                        await Wants(connection).found(found)
                    lacking = [digest for digest in lacking if digest not in found]
                    count += len(found)
        if peers and lacking:
            attempts = {digest: wanted[digest] + 1 for digest in lacking}
            dues = [(digest, tried, self._due(now, tried)) for digest, tried in attempts.items()]
            async with self._database.begin() as connection:
                await Wants(connection).in_vain(dues)
        return count

    def _now(self) -> int:
        return int(self._clock())

    def _due(self, now: int, attempts: int) -> int:
        return int(now + _PAUSES.seconds(attempts, self._dice()))

    async def _try(self, url: str, topic: str) -> Caught:
        with suppress(*FAILURES):  # held against the peer
            async with self._acquaintances.asked(url):
                return await self.follow(url, topic)
        return Caught()

    async def _begin(self, url: str, topic: str) -> Progress:
        now = self._now()
        async with self._database.reading() as connection:
            progress = await Progresses(connection).get(url, topic)
        return progress if now - progress.began < _ANEW else Progress(since=0, began=now)

    async def _note(self, url: str, topic: str, progress: Progress) -> None:
        async with self._database.begin() as connection:
            await Progresses(connection).put(url, topic, progress)

    async def _lacking(self, topic: str, listed: Iterable[KnownOutput]) -> list[Outpoint]:
        """The outputs that are not here, one of each transaction."""
        outpoints = [output.outpoint for output in listed]
        async with self._database.reading() as connection:
            here = await Outputs(connection).admitted(topic, outpoints)
        return list({each.txid: each for each in reversed(outpoints) if each not in here}.values())[::-1]

    async def _catch_up(self, peer: Peer, topic: str, wanted: Sequence[Outpoint], caught: Caught, until: float) -> None:
        batch = _Batch(Graphs(peer, self._known))
        for window in batches(wanted, _WINDOW):
            if self._clock() >= until:
                break
            fetched = await _all(self._fetch(batch.graphs, tip) for tip in window)
            batch.tips += [tip for tip in fetched if tip is not None]
            caught.refused += fetched.count(None)
            if batch.is_full:
                await self._take(peer, topic, batch, caught)
                batch = _Batch(Graphs(peer, self._known))
        await self._take(peer, topic, batch, caught)

    async def _fetch(self, graphs: Graphs, tip: Outpoint) -> Outpoint | None:
        """The tip, or None where the peer does not give what it has listed, or far too much of it."""
        try:
            await graphs.fetch(tip)
        except (RefusedError, VerificationError):
            return None
        return tip

    async def _known(self, txids: Collection[Txid]) -> Collection[Txid]:
        """Those that are proven here."""
        async with self._database.reading() as connection:
            found = await HostTransactions(connection).get(txids)
        return {txid for txid, each in found.items() if each.proof is not None}

    async def _take(self, peer: Peer, topic: str, batch: _Batch, caught: Caught) -> None:
        """Verify and write what was fetched: all at once, or where some of it is no good, one after the other."""
        if not batch.tips:
            return
        try:
            async with self._database.reading() as connection:
                borrowed = await Transactions(connection).beef(batch.graphs.borrowed)
        except StateError as error:  # a reorg took a proof that was here a moment ago
            raise UnreachableError("what a graph rests upon is not proven any more", where=peer.url) from error
        batch.documents.update(await self._documents_of(peer, topic, batch))
        try:
            caught.taken += await self._admit(topic, batch, borrowed, batch.tips)
        except VerificationError:
            for tip in batch.tips:
                try:
                    caught.taken += await self._admit(topic, batch, borrowed, [tip])
                except VerificationError:
                    caught.refused += 1

    async def _admit(self, topic: str, batch: _Batch, borrowed: Beef, tips: Sequence[Outpoint]) -> int:
        """Returns how many transactions were taken."""
        graphs = batch.graphs
        txids = graphs.ancestry([tip.txid for tip in tips])
        beef = graphs.beef(borrowed, txids)
        await self._engine.take(topic, beef, txids, wanted=tips, documents=tuple(batch.documents.values()))
        return len(txids)

    async def _documents_of(self, peer: Peer, topic: str, batch: _Batch) -> dict[Digest, bytes]:
        """The documents that go with what was fetched, as far as they are not here, the peer has them, and they are not too many.

        What is lacking then is looked for later.
        """
        found: dict[Digest, bytes] = {}
        asked: set[Digest] = set()
        transactions = [node.transaction for node in batch.graphs.nodes.values()]
        while True:
            # Telling what an output needs is checking its signature, and a transaction may have any number of outputs.
            needed = await asyncio.to_thread(self._needs, topic, transactions, found)
            async with self._database.reading() as connection:
                missing = await Documents(connection).missing(needed - asked)
            asked |= needed
            if not missing:
                return found
            for some in batches(missing, _WINDOW):
                found.update(await self._documents(peer, some))
                if sum(map(len, found.values())) >= _BATCH_BYTES:
                    return found

    def _needs(self, topic: str, transactions: Iterable[Transaction], documents: Mapping[Digest, bytes]) -> set[Digest]:
        kept = self._engine.topics[topic]
        needed: set[Digest] = set()
        for output in (output for transaction in transactions for output in transaction.outputs):
            with suppress(VerificationError):  # nothing of this topic's
                needed.update(kept.needs(output, documents))
        return needed

    async def _documents(self, peer: Peer, digests: Iterable[Digest]) -> dict[Digest, bytes]:
        """Those that the peer has."""
        wanted = tuple(digests)
        found = await _all(self._document(peer, digest) for digest in wanted)
        return {digest: document for digest, document in zip(wanted, found, strict=True) if document is not None}

    async def _document(self, peer: Peer, digest: Digest) -> bytes | None:
        with suppress(RefusedError, TransientError):  # others may have it, and it is asked for again
            return await peer.document(digest)
        return None


async def _all(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """At the same time; where one fails, the others are waited for first."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
