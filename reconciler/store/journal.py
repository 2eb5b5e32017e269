"""The journal: every apply's transactions, written down before a byte of them leaves (DESIGN §4.3).

States and moves are the table in model/journal.py; here is only how they are kept, and that nobody moves an entry who does
not hold the lease or who read it before someone else moved it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    Row,
    Select,
    Table,
    Text,
    and_,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import LockedError, StateError
from reconciler.model.ids import Digest, Txid
from reconciler.model.journal import (
    COMMITTED,
    GIVEN_UP,
    UNFINISHED,
    EntryRole,
    JournalEvent,
    JournalState,
    advance,
)
from reconciler.store.batches import batches
from reconciler.store.columns import Choice, Instant
from reconciler.store.database import Hex, metadata
from reconciler.store.handovers import Handovers
from reconciler.store.inserts import insert_new
from reconciler.store.leases import fence
from reconciler.store.transactions import transactions
from reconciler.store.works import Connection

journal = Table(
    "journal",
    metadata,
    Column("id", Text, primary_key=True),
    Column("state", Choice(JournalState), nullable=False, index=True),
    Column("role", Choice(EntryRole), nullable=False, server_default=EntryRole.ROOT.value),
    Column("place", Integer, nullable=False, server_default="0"),
    Column("plan_id", Hex, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("outcome", LargeBinary, nullable=False),
    Column("owner", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("spent", BigInteger, nullable=False, server_default="0"),
    Column("created", Instant, nullable=False, index=True),
    Column("updated", Instant, nullable=False),
)

journal_transactions = Table(
    "journal_transactions",
    metadata,
    Column("entry", Text, ForeignKey("journal.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column(
        "txid", Hex, ForeignKey("transactions.txid", deferrable=True, initially="DEFERRED"), nullable=False, unique=True
    ),
)
"""An entry's transactions in the order in which they are sent. Each belongs to one entry, and its bytes are stored.

An entry that was given up keeps its root alone: what was to follow never left, and may be signed again, byte for byte, to
follow another. What did leave has become an entry of its own.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One apply, or one step of it. Times are unix seconds."""

    id: str
    state: JournalState = JournalState.PREPARED
    role: EntryRole = EntryRole.ROOT
    place: int = 0
    """Among the entries of its apply, in the order in which they are sent."""
    plan_id: Digest
    generation: int
    txids: tuple[Txid, ...]
    """In the order in which they are sent."""
    owner: str
    """Who applied, for people to read."""
    spent: Satoshis
    """Gross, as the cost guard counts: fees, new tokens, storage. Nothing is spent once the entry is void."""
    publishes: bool = False
    """Whether something becomes live by it; what, `Journal.outcome` says."""
    note: str = ""
    """The overrides and reason that were given."""
    created: int
    updated: int

    @property
    def root(self) -> Txid:
        """The first of its transactions, by which it stands or falls: those that follow leave only when it is seen."""
        return self.txids[0]


class Journal:
    """Entries, oldest first unless said otherwise."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def create(self, entry: JournalEntry, *, outcome: bytes = b"", token: int | None = None) -> JournalEntry:
        """Write an entry down; returns it as it is now. Its transactions must be stored by the end of this database transaction.

        `outcome` is canonical JSON of what becomes live at the commit point (store/outcome.py); the journal does not read it. It
        is empty for a transaction that publishes nothing, such as a splitter. Of a large set it has tens of megabytes: it is
        no part of the entry, which is read often.

        An entry that was given up may be made again with the same transactions: signing is deterministic, so the same plan
        leads to the same bytes. It is then being sent, if it ever was. Raises StateError if it is there in any other state,
        LockedError if the lease was lost.
        """
        await fence(self._connection, token)
        entry = replace(entry, publishes=bool(outcome))
        row = _row(entry, outcome)
        if not await insert_new(self._connection, journal, [row]):
            entry = await self._make_again(entry, row)
        rows = [{"entry": entry.id, "position": at, "txid": txid} for at, txid in enumerate(entry.txids)]
        if rows:
            await self._connection.execute(insert(journal_transactions), rows)
        return entry

    async def get(self, entry: str) -> JournalEntry | None:
        """The entry with this id, or None."""
        found = await self._entries(_all().where(journal.c.id == entry))
        return found[0] if found else None

    async def outcome(self, entry: str) -> bytes:
        """What becomes live by an entry, as `create` or `rewrite` was given it; empty where nothing does."""
        outcome: bytes | None = await self._connection.scalar(select(journal.c.outcome).where(journal.c.id == entry))
        return outcome or b""

    async def unfinished(self) -> tuple[JournalEntry, ...]:
        """What the next apply must finish or void before it plans."""
        return await self._entries(_oldest_first().where(journal.c.state.in_(sorted(UNFINISHED))))

    async def bound(self) -> frozenset[str]:
        """The unfinished entries of applies whose lock may have left and was not given up: they must follow it."""
        lock = journal.alias()
        gone = sorted({JournalState.PREPARED, *GIVEN_UP})
        query = select(journal.c.id).join(
            lock, and_(lock.c.plan_id == journal.c.plan_id, lock.c.created == journal.c.created)
        )
        return frozenset(
            await self._connection.scalars(
                query.where(lock.c.role == EntryRole.LOCK, lock.c.state.not_in(gone)).where(
                    journal.c.role != EntryRole.PAYMENT, journal.c.state.in_(sorted(UNFINISHED))
                )
            )
        )

    async def locks(self) -> frozenset[Txid]:
        """The locks of applies whose root is not at its commit point."""
        root = journal.alias()
        query = (
            select(journal_transactions.c.txid)
            .join(journal, journal.c.id == journal_transactions.c.entry)
            .join(root, and_(root.c.plan_id == journal.c.plan_id, root.c.created == journal.c.created))
            .where(journal.c.role == EntryRole.LOCK, journal.c.state.not_in(sorted(GIVEN_UP)))
            .where(root.c.role == EntryRole.ROOT, root.c.state.in_(sorted(UNFINISHED)))
        )
        return frozenset(Txid(txid) for txid in await self._connection.scalars(query))

    async def batches(self, entry: JournalEntry) -> tuple[JournalState, ...]:
        """How the batches of the apply stand that an entry belongs to."""
        same = (journal.c.plan_id == entry.plan_id, journal.c.created == entry.created)
        query = select(journal.c.state).where(*same, journal.c.role == EntryRole.BATCH)
        return tuple(await self._connection.scalars(query))

    async def unproven(self) -> tuple[JournalEntry, ...]:
        """What the network has seen and no block proves yet."""
        return await self._entries(_oldest_first().where(journal.c.state == JournalState.SEEN))

    async def open(self) -> tuple[JournalEntry, ...]:
        """What a block may still decide against: all that is neither void nor proven with everything that follows it."""
        waiting = (
            select(journal_transactions.c.entry)
            .join(transactions, transactions.c.txid == journal_transactions.c.txid)
            .where(transactions.c.height.is_(None))
        )
        return await self._entries(
            _oldest_first().where(journal.c.state != JournalState.VOID, journal.c.id.in_(waiting))
        )

    async def refused(self) -> tuple[JournalEntry, ...]:
        """What nobody took, and nobody can prove to have gone nowhere."""
        return await self._entries(_oldest_first().where(journal.c.state == JournalState.REFUSED))

    async def found_mined(self) -> tuple[JournalEntry, ...]:
        """What was given up, and is in a block all the same."""
        in_a_block = (
            exists()
            .where(journal_transactions.c.entry == journal.c.id, journal_transactions.c.position == 0)
            .where(transactions.c.txid == journal_transactions.c.txid, transactions.c.height.is_not(None))
        )
        return await self._entries(_oldest_first().where(journal.c.state.in_(sorted(GIVEN_UP)), in_a_block))

    async def void(self) -> frozenset[Txid]:
        """The transactions of void entries that no block proves: they are not live, whoever shows them."""
        query = (
            select(journal_transactions.c.txid)
            .join(journal, journal.c.id == journal_transactions.c.entry)
            .join(transactions, transactions.c.txid == journal_transactions.c.txid)
            .where(journal.c.state == JournalState.VOID, transactions.c.height.is_(None))
        )
        return frozenset(Txid(txid) for txid in await self._connection.scalars(query))

    async def mined(self, txids: Iterable[Txid]) -> tuple[JournalEntry, ...]:
        """The mined entries that one of these transactions belongs to."""
        found: dict[str, JournalEntry] = {}
        for batch in batches(txids):
            entries = select(journal_transactions.c.entry).where(journal_transactions.c.txid.in_(batch))
            query = _oldest_first().where(journal.c.state == JournalState.MINED, journal.c.id.in_(entries))
            found |= {entry.id: entry for entry in await self._entries(query)}
        return tuple(found.values())

    async def following(self, txids: Iterable[Txid]) -> tuple[Txid, ...]:
        """Those of these transactions that follow a root which is at its commit point, in the order in which they are sent."""
        place = journal_transactions.c.position
        found: list[tuple[int, int, Txid]] = []
        for batch in batches(txids):
            query = (
                select(journal.c.generation, place, journal_transactions.c.txid)
                .join(journal, journal.c.id == journal_transactions.c.entry)
                .where(journal_transactions.c.txid.in_(batch), place > 0)
                .where(journal.c.state.in_(sorted(COMMITTED)))
            )
            found += [(row.generation, row.position, Txid(row.txid)) for row in await self._connection.execute(query)]
        return tuple(txid for _, _, txid in sorted(found))

    async def spent_since(self, at: int) -> Satoshis:
        """What the entries written down at or after `at` (unix seconds) spend, those that came to nothing left out."""
        query = select(func.coalesce(func.sum(journal.c.spent), 0)).where(
            journal.c.created >= at, journal.c.state != JournalState.VOID
        )
        return Satoshis(int(await self._connection.scalar(query) or 0))

    async def list(self, limit: int) -> tuple[JournalEntry, ...]:
        """The last `limit` entries, newest first."""
        columns = (journal.c.created, journal.c.generation, journal.c.place, journal.c.id)
        newest = _all().order_by(*(column.desc() for column in columns))
        return await self._entries(newest.limit(limit))

    async def move(self, entry: str, event: JournalEvent, *, now: int, token: int | None) -> JournalState:
        """Move an entry on; returns its new state.

        Raises StateError for an unknown entry or a move that the table does not know, LockedError if the lease was lost or
        somebody else moved the entry at the same time.
        """
        await fence(self._connection, token)
        before = await self._connection.scalar(select(journal.c.state).where(journal.c.id == entry))
        if before is None:
            raise StateError(f"the journal has no entry {entry}")
        after = advance(before, event)
        move = update(journal).where(journal.c.id == entry, journal.c.state == before).values(state=after, updated=now)
        if await self._connection.changed(move) != 1:
            raise LockedError(f"another process moved the journal entry {entry} on at the same time")
        if after in GIVEN_UP:
            followers = (journal_transactions.c.entry == entry, journal_transactions.c.position > 0)
            await self._connection.execute(delete(journal_transactions).where(*followers))
        return after

    async def release(self, entry: JournalEntry, follower: Txid) -> JournalEntry:
        """Make what followed an entry, and has left, an entry of its own, which publishes nothing; returns it."""
        alone = replace(
            entry,
            id=follower,
            state=JournalState.SENDING,
            role=EntryRole.FOLLOWER,
            txids=(follower,),
            publishes=False,
            spent=Satoshis(0),  # what it cost stands in the entry that it followed
        )
        await self._connection.execute(insert(journal).values(_row(alone, b"")))
        row = update(journal_transactions).where(journal_transactions.c.txid == follower)
        await self._connection.execute(row.values(entry=follower, position=0))
        return alone

    async def drop(self, follower: Txid) -> None:
        """A transaction that follows an entry will never be mined: it is no part of the entry any more."""
        gone = (journal_transactions.c.txid == follower, journal_transactions.c.position > 0)
        await self._connection.execute(delete(journal_transactions).where(*gone))

    async def rewrite(self, entry: str, outcome: bytes) -> None:
        """Change what an entry makes live, because some of it never will be."""
        await self._connection.execute(update(journal).where(journal.c.id == entry).values(outcome=outcome))

    async def _make_again(self, entry: JournalEntry, row: Mapping[str, object]) -> JournalEntry:
        former = await self.get(entry.id)
        if former is None or former.txids[:1] != entry.txids[:1]:
            raise StateError(f"the journal has an entry {entry.id} already, with another transaction")
        has_left = bool(await Handovers(self._connection).sent(entry.txids[:1]))
        again = replace(entry, state=advance(former.state, JournalEvent.REPEAT if has_left else JournalEvent.PREPARE))
        await self._connection.execute(
            update(journal)
            .where(journal.c.id == entry.id, journal.c.state == former.state)
            .values({**row, "state": again.state})
        )
        await self._connection.execute(delete(journal_transactions).where(journal_transactions.c.entry == entry.id))
        return again

    async def _entries(self, query: Select[Any]) -> tuple[JournalEntry, ...]:
        rows = (await self._connection.execute(query)).all()
        txids = await _txids_of(self._connection, (row.id for row in rows))
        return tuple(_entry(row, tuple(txids[row.id])) for row in rows)


def _all() -> Select[Any]:
    """Of an outcome only whether there is one: its length is known without it."""
    columns = [column for column in journal.c if column is not journal.c.outcome]
    return select(*columns, (func.length(journal.c.outcome) > 0).label("publishes"))


def _row(entry: JournalEntry, outcome: bytes) -> dict[str, object]:
    names = (
        "id",
        "state",
        "role",
        "place",
        "plan_id",
        "generation",
        "owner",
        "note",
        "spent",
        "created",
        "updated",
    )
    return {"outcome": outcome, **{name: getattr(entry, name) for name in names}}


def _oldest_first() -> Select[Any]:
    return _all().order_by(journal.c.created, journal.c.generation, journal.c.place, journal.c.id)


def _entry(row: Row[Any], txids: tuple[Txid, ...]) -> JournalEntry:
    return JournalEntry(
        id=row.id,
        state=row.state,
        role=row.role,
        place=row.place,
        plan_id=Digest(row.plan_id),
        generation=row.generation,
        txids=txids,
        publishes=row.publishes,
        owner=row.owner,
        note=row.note,
        spent=Satoshis(row.spent),
        created=row.created,
        updated=row.updated,
    )


async def _txids_of(connection: Connection, entries: Iterable[str]) -> Mapping[str, list[Txid]]:
    found: defaultdict[str, list[Txid]] = defaultdict(list)
    for batch in batches(entries):
        query = select(journal_transactions).where(journal_transactions.c.entry.in_(batch))
        for row in await connection.execute(query.order_by(journal_transactions.c.position)):
            found[row.entry].append(Txid(row.txid))
    return found
