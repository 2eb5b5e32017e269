"""What a host keeps: which transactions it stands by, which outputs its topics admitted, which documents those need.

The transactions' bytes and proofs lie in `Transactions`, documents in `Documents`; here is only what a host adds to them.

A transaction is *shadowed* while another one that was seen first, or that is proven, spends one of its coins, or while it
descends from such a one (PROTOCOL §4). Shadowed transactions are kept, but neither they nor what they spend is shown.
An output is *spent* when a transaction that is not shadowed spends it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Executable,
    ForeignKey,
    FromClause,
    Index,
    Integer,
    Row,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from reconciler.model.ids import Digest, Outpoint, Txid
from reconciler.store import works
from reconciler.store.batches import batches
from reconciler.store.columns import ForeignName, ForeignText
from reconciler.store.database import Hex, insert_new, inserting, metadata
from reconciler.wire.gasp import KnownOutput
from reconciler.wire.transaction import Transaction

Connection: TypeAlias = works.Connection

_NOTHING: Final = Txid("00" * 32)

host_transactions = Table(
    "host_transactions",
    metadata,
    Column("id", Integer, primary_key=True),  # the order of arrival
    Column("txid", Hex, nullable=False, unique=True),
    Column("shadowed", Boolean(create_constraint=False), nullable=False),
    Column("height", BigInteger, index=True),  # of the block that proves it; null while nothing does
    Column("root", Hex),  # the Merkle root that the proof leads to
    Column("asked", BigInteger, nullable=False, index=True),  # when ARC was last asked about it, unix seconds
    sqlite_autoincrement=True,
)

host_spends = Table(
    "host_spends",
    metadata,
    Column("spent_txid", Hex, primary_key=True),
    Column("spent_vout", BigInteger, primary_key=True),
    Column("txid", Hex, ForeignKey("host_transactions.txid", ondelete="CASCADE"), primary_key=True, index=True),
)

host_outputs = Table(
    "host_outputs",
    metadata,
    Column("id", Integer, primary_key=True),  # the order of admission
    Column("topic", String(50), nullable=False),
    Column("txid", Hex, ForeignKey("host_transactions.txid", ondelete="CASCADE"), nullable=False),
    Column("vout", BigInteger, nullable=False),
    Column("complete", Boolean(create_constraint=False), nullable=False),  # all documents it needs are here
    Column("score", BigInteger, nullable=False, server_default="0"),  # see Outputs.admit
    UniqueConstraint("txid", "vout", "topic"),
    Index(None, "topic", "score"),
    Index(None, "complete", "topic"),
    sqlite_autoincrement=True,
)

host_needs = Table(
    "host_needs",
    metadata,
    Column("output_id", ForeignKey("host_outputs.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", Hex, primary_key=True, index=True),
)

host_records = Table(
    "host_records",
    metadata,
    Column("output_id", ForeignKey("host_outputs.id", ondelete="CASCADE"), primary_key=True),
    Column("producer", Hex, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("name", ForeignName(253), nullable=False),
    Column("document", Hex, nullable=False),
    Column("sealed", Hex),  # the root's sealed document
    Column("text", ForeignText, nullable=False),  # case-folded, what `text` queries look through
    Column("price", BigInteger, index=True),  # satoshis a unit, 0 is free; null where nothing is priced
    Column("price_model", ForeignName(32)),  # what a unit is
    Column("license", ForeignText, index=True),  # case-folded
    Index(None, "producer", "kind", "name"),
    Index(None, "producer", "output_id"),
    Index(None, "kind", "output_id"),
    Index(None, "name"),
)

host_record_tags = Table(
    "host_record_tags",
    metadata,
    Column("output_id", ForeignKey("host_records.output_id", ondelete="CASCADE"), primary_key=True),
    Column("tag", ForeignText, primary_key=True, index=True),
)

host_record_capabilities = Table(
    "host_record_capabilities",
    metadata,
    Column("output_id", ForeignKey("host_records.output_id", ondelete="CASCADE"), primary_key=True),
    Column("capability", ForeignName(42), primary_key=True, index=True),
)

host_record_regions = Table(
    "host_record_regions",
    metadata,
    Column("output_id", ForeignKey("host_records.output_id", ondelete="CASCADE"), primary_key=True),
    Column("region", ForeignText, primary_key=True, index=True),  # case-folded
)

host_ads = Table(
    "host_ads",
    metadata,
    Column("output_id", ForeignKey("host_outputs.id", ondelete="CASCADE"), primary_key=True),
    Column("protocol", String(4), nullable=False),
    Column("identity", Hex, nullable=False),
    Column("url", ForeignText, nullable=False),
    Column("name", ForeignName(50), nullable=False),
    Index(None, "identity", "output_id"),
    Index(None, "name", "output_id"),
    Index(None, "url", "name", "identity"),
)

host_adverts = Table(
    "host_adverts",
    metadata,
    Column("output_id", ForeignKey("host_outputs.id", ondelete="CASCADE"), primary_key=True),
    Column("host", Hex, nullable=False, index=True),
    Column("sha256", Hex, nullable=False, index=True),
    Column("expires", BigInteger, nullable=False),
)


_SCHEMES: Final = ("https://", "http://")

host_banned_outputs = Table(
    "host_banned_outputs",
    metadata,
    Column("txid", Hex, primary_key=True),
    Column("vout", BigInteger, primary_key=True),
    Column("reason", ForeignText, nullable=False),
    Column("since", BigInteger, nullable=False),  # unix seconds
)

host_banned_domains = Table(
    "host_banned_domains",
    metadata,
    Column("domain", ForeignName(2048), primary_key=True),  # a URL as it is advertised, or its host
    Column("reason", ForeignText, nullable=False),
    Column("since", BigInteger, nullable=False),
)


def not_shown(outputs: FromClause = host_outputs) -> ColumnElement[bool]:
    """Of a row of host_outputs: that its transaction is shadowed, or the operator does not want it shown."""
    shadowed = exists().where(host_transactions.c.txid == outputs.c.txid, host_transactions.c.shadowed.is_(True))
    banned = exists().where(host_banned_outputs.c.txid == outputs.c.txid, host_banned_outputs.c.vout == outputs.c.vout)
    return shadowed | banned


def at_banned_domain() -> ColumnElement[bool]:
    """Of a row of host_ads: that the operator does not want its URL shown. Each way to spell it is one look at the index."""
    domain, url = host_banned_domains.c.domain, host_ads.c.url
    return or_(
        exists().where(domain == url),
        *(
            url.startswith(scheme, autoescape=True) & exists().where(domain == func.substr(url, len(scheme) + 1))
            for scheme in _SCHEMES
        ),
    )


def spent(outputs: FromClause = host_outputs) -> ColumnElement[bool]:
    """Of a row of host_outputs: that a transaction the host stands by spends it."""
    spender = host_transactions.alias("spender")
    return exists().where(
        host_spends.c.spent_txid == outputs.c.txid,
        host_spends.c.spent_vout == outputs.c.vout,
        spender.c.txid == host_spends.c.txid,
        spender.c.shadowed.is_(False),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockProof:
    """Where a transaction is proven to be."""

    height: int
    root: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTransaction:
    """What a host thinks of one transaction."""

    txid: Txid
    shadowed: bool
    proof: BlockProof | None


@dataclass(frozen=True, slots=True)
class HostOutput:
    """One output that a topic admitted."""

    id: int
    topic: str
    outpoint: Outpoint
    complete: bool
    is_new: bool = False
    """It came just now."""


_TRANSACTION: Final = (
    host_transactions.c.txid,
    host_transactions.c.shadowed,
    host_transactions.c.height,
    host_transactions.c.root,
)
_OUTPUT: Final = (
    host_outputs.c.id,
    host_outputs.c.topic,
    host_outputs.c.txid,
    host_outputs.c.vout,
    host_outputs.c.complete,
)


# Prepared: to make a statement costs several times what it takes to run one.
_BY_TXID: Final = select(*_TRANSACTION).where(host_transactions.c.txid.in_(bindparam("txids", expanding=True)))
_SPENDERS: Final = (
    select(host_spends.c.txid)
    .where(tuple_(host_spends.c.spent_txid, host_spends.c.spent_vout).in_(bindparam("coins", expanding=True)))
    .limit(1)
)
_ADMITTED: Final = select(*_OUTPUT).where(
    host_outputs.c.topic == bindparam("topic"),
    tuple_(host_outputs.c.txid, host_outputs.c.vout).in_(bindparam("outpoints", expanding=True)),
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


def coins_of(transaction: Transaction) -> tuple[Outpoint, ...]:
    """What a transaction spends; of coinbases nothing, for all of them spend the same, and no two are rivals."""
    return tuple(spent.outpoint for spent in transaction.inputs if spent.outpoint.txid != _NOTHING)


class HostTransactions:
    """Which transactions a host stands by, and who spends what."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, txids: Collection[Txid]) -> dict[Txid, HostTransaction]:
        """Those of `txids` that the host knows."""
        found = {}
        for some in batches(txids):
            rows = await self._connection.execute(_BY_TXID, {"txids": some})
            found.update({row.txid: _transaction(row) for row in rows})
        return found

    async def add(self, *arriving: tuple[Transaction, BlockProof | None], shadowed: bool) -> None:
        """Take up transactions that are not known yet, and what they spend."""
        rows = [
            {"txid": transaction.txid, "shadowed": shadowed, "asked": 0} | _proof_columns(proof)
            for transaction, proof in arriving
        ]
        if rows:
            await self._connection.execute(insert(host_transactions), rows)
        spends = [
            {"spent_txid": coin.txid, "spent_vout": coin.vout, "txid": transaction.txid}
            for transaction, _ in arriving
            for coin in coins_of(transaction)
        ]
        await insert_new(self._connection, host_spends, spends)

    async def are_contested(self, coins: Iterable[Outpoint]) -> bool:
        """Whether a known transaction spends any of these."""
        for some in batches(coins):
            pairs = [(coin.txid, coin.vout) for coin in some]
            if (await self._connection.execute(_SPENDERS, {"coins": pairs})).first() is not None:
                return True
        return False

    async def rivals(self, txid: Txid, spends: Collection[Outpoint]) -> tuple[HostTransaction, ...]:
        """Other transactions that spend any of these coins, in order of arrival."""
        rows = {}
        for some in batches(spends):
            query = (
                select(host_transactions.c.id, *_TRANSACTION)
                .join(host_spends, host_spends.c.txid == host_transactions.c.txid)
                .where(pair(host_spends.c.spent_txid, host_spends.c.spent_vout, some), host_spends.c.txid != txid)
            )
            rows.update({row.id: row for row in await self._connection.execute(query)})
        return tuple(_transaction(rows[key]) for key in sorted(rows))

    async def spends(self, txid: Txid) -> tuple[Outpoint, ...]:
        """The coins that a known transaction spends."""
        query = select(host_spends.c.spent_txid, host_spends.c.spent_vout).where(host_spends.c.txid == txid)
        return tuple(Outpoint(row.spent_txid, row.spent_vout) for row in await self._connection.execute(query))

    async def children(self, txids: Collection[Txid]) -> tuple[HostTransaction, ...]:
        """The known transactions that spend an output of any of these, in order of arrival."""
        rows = {}
        for some in batches(txids):
            query = (
                select(host_transactions.c.id, *_TRANSACTION)
                .join(host_spends, host_spends.c.txid == host_transactions.c.txid)
                .where(host_spends.c.spent_txid.in_(some))
            )
            rows.update({row.id: row for row in await self._connection.execute(query)})
        return tuple(_transaction(rows[key]) for key in sorted(rows))

    async def prove(self, txid: Txid, proof: BlockProof | None) -> None:
        """Record where a transaction is proven to be, or, with None, that it is not any more."""
        await self._connection.execute(
            update(host_transactions).where(host_transactions.c.txid == txid).values(_proof_columns(proof))
        )

    async def shadow(self, txid: Txid, shadowed: bool) -> None:
        """Stand by a transaction no longer, or again."""
        await self._connection.execute(
            update(host_transactions).where(host_transactions.c.txid == txid).values(shadowed=shadowed)
        )

    async def evict(self, txids: Collection[Txid]) -> None:
        """Forget transactions, with the outputs that they brought."""
        for some in batches(txids):
            await self._connection.execute(delete(host_transactions).where(host_transactions.c.txid.in_(some)))

    async def highest_proofs(self) -> tuple[tuple[Txid, BlockProof], ...]:
        """All transactions proven by the highest block that proves any."""
        columns = host_transactions.c
        highest = select(columns.height).order_by(columns.height.desc().nulls_last()).limit(1).scalar_subquery()
        query = select(columns.txid, columns.height, columns.root).where(columns.height == highest)
        rows = await self._connection.execute(query)
        return tuple((row.txid, BlockProof(height=row.height, root=row.root)) for row in rows)

    async def ask_soon(self, txids: Collection[Txid]) -> None:
        """Have ARC asked about these next, those of them that are here and unproven."""
        for some in batches(txids):
            await self._connection.execute(
                update(host_transactions).where(host_transactions.c.txid.in_(some)).values(asked=0)
            )

    async def ask_about(self, most: int, now: int) -> tuple[Txid, ...]:
        """At most so many unproven transactions, those first about which ARC was not asked for longest; notes `now`."""
        query = (
            select(host_transactions.c.txid)
            .where(host_transactions.c.height.is_(None))
            .order_by(host_transactions.c.asked, host_transactions.c.id)
            .limit(most)
        )
        txids = tuple((await self._connection.execute(query)).scalars())
        for some in batches(txids):
            await self._connection.execute(
                update(host_transactions).where(host_transactions.c.txid.in_(some)).values(asked=now)
            )
        return txids


class Outputs:
    """The outputs that topics admitted, and the documents they need."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def admitted(self, topic: str, outpoints: Collection[Outpoint]) -> dict[Outpoint, HostOutput]:
        """Those of `outpoints` that the topic has admitted, spent or not."""
        found = {}
        for some in batches(outpoints):
            pairs = [(outpoint.txid, outpoint.vout) for outpoint in some]
            rows = await self._connection.execute(_ADMITTED, {"topic": topic, "outpoints": pairs})
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


def pair(txid: Column[str], vout: Column[int], outpoints: Sequence[Outpoint]) -> ColumnElement[bool]:
    """That two columns together are one of these outpoints."""
    return tuple_(txid, vout).in_([(outpoint.txid, outpoint.vout) for outpoint in outpoints])


def _proof_columns(proof: BlockProof | None) -> dict[str, object]:
    return {"height": proof.height if proof else None, "root": proof.root if proof else None}


def _transaction(row: Row[*tuple[Any, ...]]) -> HostTransaction:
    proof = None if row.height is None else BlockProof(height=row.height, root=row.root)
    return HostTransaction(txid=row.txid, shadowed=row.shadowed, proof=proof)


def _output(row: Row[*tuple[Any, ...]]) -> HostOutput:
    return HostOutput(row.id, row.topic, Outpoint(row.txid, row.vout), row.complete)
