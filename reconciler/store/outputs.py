"""Which outputs a host's topics have admitted, and which documents those need. Documents lie in `Documents`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    Executable,
    Row,
    bindparam,
    exists,
    func,
    select,
    update,
)

from reconciler.model.ids import Digest, Outpoint, Txid
from reconciler.store.batches import batches
from reconciler.store.host_tables import (
    host_needs,
    host_outputs,
    not_shown,
    spent,
)
from reconciler.store.inserts import insert_new, inserting
from reconciler.store.outpoints import among_bound, bound
from reconciler.store.works import Connection
from reconciler.wire.gasp import KnownOutput


@dataclass(frozen=True, slots=True)
class HostOutput:
    """One output that a topic admitted."""

    id: int
    topic: str
    outpoint: Outpoint
    complete: bool
    is_new: bool = False
    """It came just now."""


_OUTPUT: Final = (
    host_outputs.c.id,
    host_outputs.c.topic,
    host_outputs.c.txid,
    host_outputs.c.vout,
    host_outputs.c.complete,
)

_ADMITTED: Final = select(*_OUTPUT).where(
    host_outputs.c.topic == bindparam("topic"),
    among_bound(host_outputs.c.txid, host_outputs.c.vout),
)

_ADMITTED_OF: Final = select(*_OUTPUT).where(
    host_outputs.c.topic == bindparam("topic"), host_outputs.c.txid == bindparam("txid")
)

_NEWEST: Final = select(func.max(host_outputs.c.score)).where(host_outputs.c.topic == bindparam("topic"))

_COMPLETE: Final = (
    update(host_outputs).where(host_outputs.c.id.in_(bindparam("ids", expanding=True))).values(complete=True)
)


@cache
def _admit(dialect: str) -> Executable:
    return inserting(dialect, host_outputs).on_conflict_do_nothing().returning(*_OUTPUT)


class Outputs:
    """The outputs that topics admitted, and the documents they need."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def admitted(self, topic: str, outpoints: Collection[Outpoint]) -> dict[Outpoint, HostOutput]:
        """Those of `outpoints` that the topic has admitted, spent or not."""
        found = {}
        for some in batches(outpoints):
            rows = await self._connection.execute(_ADMITTED, {"topic": topic, **bound(some)})
            found.update({output.outpoint: output for output in map(_output, rows)})
        return found

    async def admit(self, topic: str, txid: Txid, vouts: Sequence[int], *, at: int) -> tuple[HostOutput, ...]:
        """Take up outputs of a transaction, incomplete at first; those that are there already stay as they are.

        `at` is the time in unix milliseconds. The first score is that, or just above the topic's highest.
        """
        rows = await self._connection.execute(_ADMITTED_OF, {"topic": topic, "txid": txid})
        known = {row.vout: _output(row) for row in rows}
        if fresh := [vout for vout in vouts if vout not in known]:
            first = await self._next_score(topic, at)
            new = [
                {"topic": topic, "txid": txid, "vout": vout, "complete": False, "score": first + place}
                for place, vout in enumerate(fresh)
            ]
            rows = await self._connection.execute(_admit(self._connection.dialect.name), new)
            known |= {row.vout: replace(_output(row), is_new=True) for row in rows}
        return tuple(known[vout] for vout in vouts)

    async def unspent(self, topic: str, since: int, limit: int) -> tuple[KnownOutput, ...]:
        """The outputs of a topic that are shown and not spent, from a score on, in the order of their scores."""
        query = (
            select(host_outputs.c.txid, host_outputs.c.vout, host_outputs.c.score)
            .where(host_outputs.c.topic == topic, host_outputs.c.score >= since, ~not_shown(), ~spent())
            .order_by(host_outputs.c.score, host_outputs.c.id)
            .limit(limit)
        )
        rows = await self._connection.execute(query)
        return tuple(KnownOutput(Outpoint(row.txid, row.vout), row.score) for row in rows)

    async def is_admitted(self, outpoint: Outpoint) -> bool:
        """Whether any topic has admitted an output, spent or not."""
        found = exists().where(host_outputs.c.txid == outpoint.txid, host_outputs.c.vout == outpoint.vout)
        return bool((await self._connection.execute(select(found))).scalar_one())

    async def need(self, needs: Iterable[tuple[int, Digest]]) -> None:
        """Note which documents outputs (by id) need."""
        rows = [{"output_id": output, "digest": digest} for output, digest in needs]
        await insert_new(self._connection, host_needs, rows)

    async def waiting_for(self, digests: Collection[Digest]) -> tuple[HostOutput, ...]:
        """The incomplete outputs that need any of these documents, in order of admission."""
        found = {}
        for some in batches(digests):
            query = (
                select(*_OUTPUT)
                .join(host_needs, host_needs.c.output_id == host_outputs.c.id)
                .where(host_needs.c.digest.in_(some), host_outputs.c.complete.is_(False))
            )
            found.update({row.id: _output(row) for row in await self._connection.execute(query)})
        return tuple(found[key] for key in sorted(found))

    async def complete(self, outputs: Collection[int]) -> None:
        """Note that everything these outputs (by id) need is here."""
        for some in batches(outputs):
            await self._connection.execute(_COMPLETE, {"ids": some})

    async def listed_after(self, last: int, topics: Collection[str], most: int) -> tuple[HostOutput, ...]:
        """Complete outputs of these topics, in order of admission, after the one with this id."""
        query = (
            select(*_OUTPUT)
            .where(host_outputs.c.id > last, host_outputs.c.topic.in_(topics), host_outputs.c.complete.is_(True))
            .order_by(host_outputs.c.id)
            .limit(most)
        )
        return tuple(_output(row) for row in await self._connection.execute(query))

    async def needed(self, digest: Digest) -> bool:
        """Whether any admitted output needs this document."""
        query = select(exists().where(host_needs.c.digest == digest))
        return bool((await self._connection.execute(query)).scalar_one())

    async def needs_of(self, txid: Txid, topic: str) -> tuple[Digest, ...]:
        """The documents that a transaction's outputs of a topic need."""
        query = (
            select(host_needs.c.digest)
            .join(host_outputs, host_outputs.c.id == host_needs.c.output_id)
            .where(host_outputs.c.txid == txid, host_outputs.c.topic == topic)
            .order_by(host_outputs.c.id, host_needs.c.digest)
        )
        return tuple(dict.fromkeys(await self._connection.scalars(query)))

    async def _next_score(self, topic: str, at: int) -> int:
        """No two outputs of a topic have one score: who asks for a page from a score on gets further, however short it is."""
        newest = (await self._connection.execute(_NEWEST, {"topic": topic})).scalar_one()
        return max(at, 1 + (newest or 0))


def _output(row: Row[*tuple[Any, ...]]) -> HostOutput:
    return HostOutput(row.id, row.topic, Outpoint(row.txid, row.vout), row.complete)
