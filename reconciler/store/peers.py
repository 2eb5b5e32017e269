"""Other hosts, as a host of ours knows them: how they have behaved, how far it has caught up with each, what it owes them.

All of it is about convenience: a database that has lost it asks everybody for everything once more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    Select,
    String,
    Table,
    UniqueConstraint,
    delete,
    func,
    or_,
    select,
    update,
)

from reconciler.model.ids import Digest, Txid
from reconciler.store.batches import batches
from reconciler.store.columns import ForeignName
from reconciler.store.database import Hex, metadata
from reconciler.store.documents import documents
from reconciler.store.host_tables import host_needs, host_outputs
from reconciler.store.inserts import insert_new, upsert
from reconciler.store.works import Connection

_URL: Final = 1024
_EVERYBODY: Final = ""
"""Of a forward whose peers have not been looked up yet."""

host_peers = Table(
    "host_peers",
    metadata,
    Column("url", ForeignName(_URL), primary_key=True),
    Column("successes", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("streak", Integer, nullable=False),  # failures since the last success
    Column("latency", Integer, nullable=False),  # milliseconds, the last answers counting most
    Column("rests_until", BigInteger, nullable=False),  # unix seconds
    Column("asked", BigInteger, nullable=False, index=True),  # unix seconds
)

host_progress = Table(
    "host_progress",
    metadata,
    Column("peer", ForeignName(_URL), primary_key=True),
    Column("topic", String(50), primary_key=True),
    Column("since", BigInteger, nullable=False),  # the peer's score up to which everything has been looked at
    Column("began", BigInteger, nullable=False),  # when it was last asked for everything, unix seconds
)

host_forwards = Table(
    "host_forwards",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("txid", Hex, nullable=False),
    Column("topic", String(50), nullable=False),
    Column("peer", ForeignName(_URL), nullable=False),  # empty: whoever takes the topic
    Column("attempts", Integer, nullable=False),
    Column("due", BigInteger, nullable=False, index=True),  # unix seconds
    UniqueConstraint("txid", "topic", "peer"),
    sqlite_autoincrement=True,
)

host_wants = Table(
    "host_wants",
    metadata,
    Column("digest", Hex, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("due", BigInteger, nullable=False),  # unix seconds
)
"""Documents that were asked for, and nobody had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """How a peer has behaved, as long as anybody remembers; what a client makes of it while it runs is model.reputation."""

    successes: int = 0
    failures: int = 0
    streak: int = 0
    """Failures since the last success."""
    latency: int = 0
    """Milliseconds of an answer."""
    rests_until: int = 0
    """Not asked before, in unix seconds."""

    @property
    def reliability(self) -> float:
        """From 0 to 1; a half for a peer that nobody knows."""
        return (self.successes + 1) / (self.successes + self.failures + 2)

    def succeeded(self, latency: int) -> Conduct:
        """After an answer that took so many milliseconds."""
        known = self.latency or latency
        return Conduct(
            successes=self.successes + 1, failures=self.failures, latency=known + (latency - known) // 4, rests_until=0
        )

    def failed(self, rests_until: int) -> Conduct:
        """After a failure."""
        return Conduct(
            successes=self.successes,
            failures=self.failures + 1,
            streak=self.streak + 1,
            latency=self.latency,
            rests_until=rests_until,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a host has caught up with one peer in one topic."""

    since: int = 0
    """The peer's score up to which everything was looked at."""
    began: int = 0
    """When it was last asked for everything, in unix seconds."""


@dataclass(frozen=True, slots=True)
class Forward:
    """A transaction that a peer is owed for a topic."""

    id: int
    txid: Txid
    topic: str
    attempts: int


_FORWARD: Final = select(host_forwards.c.id, host_forwards.c.txid, host_forwards.c.topic, host_forwards.c.attempts)


class KnownPeers:
    """How they behaved."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, urls: Collection[str]) -> dict[str, Conduct]:
        """Of those that have been asked before."""
        found = {}
        columns = host_peers.c
        for some in batches(urls):
            for row in await self._connection.execute(select(host_peers).where(columns.url.in_(some))):
                found[row.url] = Conduct(
                    successes=row.successes,
                    failures=row.failures,
                    streak=row.streak,
                    latency=row.latency,
                    rests_until=row.rests_until,
                )
        return found

    async def put(self, url: str, conduct: Conduct, *, now: int) -> None:
        """Write one down."""
        row = {
            "url": url,
            "successes": conduct.successes,
            "failures": conduct.failures,
            "streak": conduct.streak,
            "latency": conduct.latency,
            "rests_until": conduct.rests_until,
            "asked": now,
        }
        await upsert(self._connection, host_peers, [row], keys=["url"])

    async def forget_all_but(self, most: int) -> None:
        """Keep those that were asked last, and forget how the others behaved and how far they were followed."""
        kept = select(host_peers.c.url).order_by(host_peers.c.asked.desc(), host_peers.c.url).limit(most)
        names = tuple(await self._connection.scalars(kept))
        if len(names) == most:
            await self._connection.execute(delete(host_peers).where(host_peers.c.url.not_in(names)))
            await self._connection.execute(delete(host_progress).where(host_progress.c.peer.not_in(names)))


class Progresses:
    """How far each peer was followed in each topic."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, peer: str, topic: str) -> Progress:
        """From the beginning, where nothing is known."""
        columns = host_progress.c
        query = select(columns.since, columns.began).where(columns.peer == peer, columns.topic == topic)
        row = (await self._connection.execute(query)).one_or_none()
        return Progress() if row is None else Progress(since=row.since, began=row.began)

    async def put(self, peer: str, topic: str, progress: Progress) -> None:
        """Write it down."""
        row = {"peer": peer, "topic": topic, "since": progress.since, "began": progress.began}
        await upsert(self._connection, host_progress, [row], keys=["peer", "topic"])


class Forwards:
    """What other hosts are to be told, as a queue that outlives the process."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, txid: Txid, topics: Iterable[str]) -> None:
        """Whoever takes one of these topics is to be told about a transaction."""
        await self._insert([(txid, topic, _EVERYBODY) for topic in topics], due=0)

    async def unaddressed(self, most: int) -> tuple[Forward, ...]:
        """The oldest whose peers have not been looked up."""
        query = _FORWARD.where(host_forwards.c.peer == _EVERYBODY).order_by(host_forwards.c.id).limit(most)
        return await self._read(query)

    async def address(self, forwards: Collection[Forward], peers: Collection[str], *, now: int) -> None:
        """These go to those peers."""
        await self._insert([(each.txid, each.topic, peer) for each in forwards for peer in peers], due=now)
        await self.done(each.id for each in forwards)

    async def due_peers(self, now: int) -> tuple[str, ...]:
        """The peers that are to be told something by now, those first that have waited for longest."""
        columns = host_forwards.c
        query = (
            select(columns.peer)
            .where(columns.peer != _EVERYBODY, columns.due <= now)
            .group_by(columns.peer)
            .order_by(func.min(columns.due), columns.peer)
        )
        return tuple(await self._connection.scalars(query))

    async def claim(self, peer: str, most: int, *, now: int, until: int) -> tuple[Forward, ...]:
        """What this peer is to be told by now, in order of arrival; nobody else is given it until then."""
        columns = host_forwards.c
        query = _FORWARD.where(columns.peer == peer, columns.due <= now).order_by(columns.id).limit(most)
        found = await self._read(query)
        await self._update([each.id for each in found], due=until)
        return found

    async def again(self, forwards: Collection[Forward], *, due: int, failed: bool) -> None:
        """These are to be tried then; `failed` counts the attempt."""
        for some in batches(each.id for each in forwards):
            attempts = host_forwards.c.attempts + (1 if failed else 0)
            statement = update(host_forwards).where(host_forwards.c.id.in_(some))
            await self._connection.execute(statement.values(due=due, attempts=attempts))

    async def done(self, ids: Iterable[int]) -> None:
        """These are not owed any more."""
        for some in batches(ids):
            await self._connection.execute(delete(host_forwards).where(host_forwards.c.id.in_(some)))

    async def drop_beyond(self, most: int) -> int:
        """Keep the newest so many; returns how many were given up. Whoever misses them catches up by himself."""
        oldest = select(host_forwards.c.id).order_by(host_forwards.c.id.desc()).offset(most).limit(1)
        last = (await self._connection.execute(oldest)).scalar_one_or_none()
        if last is None:
            return 0
        return await self._connection.changed(delete(host_forwards).where(host_forwards.c.id <= last))

    async def _insert(self, rows: Sequence[tuple[Txid, str, str]], *, due: int) -> None:
        new = [{"txid": txid, "topic": topic, "peer": peer, "attempts": 0, "due": due} for txid, topic, peer in rows]
        await insert_new(self._connection, host_forwards, new)

    async def _update(self, ids: Collection[int], *, due: int) -> None:
        for some in batches(ids):
            await self._connection.execute(update(host_forwards).where(host_forwards.c.id.in_(some)).values(due=due))

    async def _read(self, query: Select[Any]) -> tuple[Forward, ...]:
        rows = await self._connection.execute(query)
        return tuple(Forward(row.id, row.txid, row.topic, row.attempts) for row in rows)


class Wants:
    """Documents that admitted outputs need and the host does not have."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def due(self, topic: str, most: int, now: int) -> dict[Digest, int]:
        """What outputs of a topic lack and is to be asked for by now, with how often it was asked for in vain."""
        query = (
            select(host_needs.c.digest, func.coalesce(func.max(host_wants.c.attempts), 0).label("attempts"))
            .join(host_outputs, host_outputs.c.id == host_needs.c.output_id)
            .join(host_wants, host_wants.c.digest == host_needs.c.digest, isouter=True)
            .join(documents, documents.c.digest == host_needs.c.digest, isouter=True)
            .where(
                host_outputs.c.topic == topic,
                host_outputs.c.complete.is_(False),
                documents.c.digest.is_(None),
                or_(host_wants.c.due.is_(None), host_wants.c.due <= now),
            )
            .group_by(host_needs.c.digest)
            .order_by(func.min(host_outputs.c.id))
            .limit(most)
        )
        return {row.digest: row.attempts for row in await self._connection.execute(query)}

    async def in_vain(self, dues: Iterable[tuple[Digest, int, int]]) -> None:
        """Nobody had these: digest, how often they were asked for now, and when to ask again."""
        rows = [{"digest": digest, "attempts": attempts, "due": due} for digest, attempts, due in dues]
        await upsert(self._connection, host_wants, rows, keys=["digest"])

    async def found(self, digests: Collection[Digest]) -> None:
        """These need not be asked for any more."""
        for some in batches(digests):
            await self._connection.execute(delete(host_wants).where(host_wants.c.digest.in_(some)))
