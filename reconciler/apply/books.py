"""The database side of an apply: each function is one database transaction.

So journal, coins, documents and published state never tell different stories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.apply.events import Moved, Tell
from reconciler.model.ids import Txid
from reconciler.model.journal import COMMITTED, JournalEvent, JournalState
from reconciler.store.coins import Coins, StoredCoin
from reconciler.store.database import Database
from reconciler.store.documents import Documents
from reconciler.store.journal import Journal, JournalEntry
from reconciler.store.outbox import Delivery, Outbox
from reconciler.store.outcome import Outcome
from reconciler.store.outputs import Connection
from reconciler.store.published import Published
from reconciler.store.transactions import Transactions
from reconciler.wire.merkle import MerklePath
from reconciler.wire.transaction import Transaction

_TO_VOID: Final = {
    JournalState.PREPARED: (JournalEvent.ABANDON,),
    JournalState.CONTESTED: (JournalEvent.LOSE,),
}
"""How an entry that has lost its coins becomes void; from any other state it is contested first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A journal entry to be written, with the bytes of its transactions and the coins that they make ours."""

    entry: JournalEntry
    transactions: tuple[Transaction, ...]
    created: tuple[StoredCoin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The database, with the fencing token of the lease under which it is written (None: only proofs are written)."""

    database: Database
    token: int | None
    tell: Tell

    async def write_down(
        self, pages: Sequence[Page], *, documents: Sequence[bytes], deliveries: Sequence[Delivery]
    ) -> None:
        """Journal signed transactions with every coin they lock, before any byte leaves.

        A page may spend what an earlier one creates. Raises LockedError where a coin is not free or the lease was lost: then
        nothing is written.
        """
        async with self.database.begin() as connection:
            await Documents(connection).put(*documents)
            for page in pages:
                await self._write_page(connection, page, among=frozenset(each.entry.id for each in pages))
            await Outbox(connection).add(deliveries)
        for page in pages:
            self.tell(Moved(entry=page.entry.id, state=page.entry.state))

    async def _write_page(self, connection: Connection, page: Page, *, among: frozenset[str]) -> None:
        coins, made = Coins(connection), {each.txid for each in page.transactions}
        for transaction in page.transactions:
            await Transactions(connection).put(transaction)
        spent = [each.outpoint for transaction in page.transactions for each in transaction.inputs]
        outside = [outpoint for outpoint in spent if outpoint.txid not in made]
        await coins.lock(outside, page.entry.id, token=self.token, expected_of=among)
        await coins.add(page.created, entry=page.entry.id)
        await Journal(connection).create(page.entry, token=self.token)

    async def move(self, entry: JournalEntry, event: JournalEvent, *, now: int) -> JournalState:
        """Move an entry on, with everything that its new state means for coins and published state.

        Raises LockedError where the lease was lost, StateError for a move that the table does not know.
        """
        async with self.database.begin() as connection:
            before = entry.state
            after = await Journal(connection).move(entry.id, event, now=now, token=self.token)
            if after in COMMITTED and before not in COMMITTED:
                await Coins(connection).settle(entry.id)
                if entry.publishes:
                    await Published(connection).commit(Outcome.from_bytes(entry.outcome))
            if after is JournalState.VOID:
                await Coins(connection).free(entry.id)
                await Outbox(connection).drop(entry.id)
        self.tell(Moved(entry=entry.id, state=after))
        return after

    async def prove(self, entry: JournalEntry, path: MerklePath, *, now: int) -> None:
        """A block proves a committed entry. Any process may find that out, and several at once: no lease is needed."""
        async with self.database.begin() as connection:
            journal = Journal(connection)
            current = await journal.get(entry.id)
            if current is None or current.state is not JournalState.SEEN:
                return
            await Transactions(connection).prove(entry.root, path)
            state = await journal.move(entry.id, JournalEvent.MINE, now=now, token=None)
        self.tell(Moved(entry=entry.id, state=state))

    async def unprove(self, txids: Sequence[Txid], *, now: int) -> None:
        """The block that proved these transactions is gone: they, and the entries they belong to, wait for another one."""
        async with self.database.begin() as connection:
            journal, transactions = Journal(connection), Transactions(connection)
            for txid in txids:
                await transactions.unprove(txid)
            reorganised = await journal.mined(txids)
            for entry in reorganised:
                await journal.move(entry.id, JournalEvent.REORG, now=now, token=None)
        for entry in reorganised:
            self.tell(Moved(entry=entry.id, state=JournalState.SEEN))

    async def lose(self, entry: JournalEntry, rival: Transaction, *, now: int) -> JournalState:
        """A mined transaction spends what `entry` spends: void it, and whatever was built upon it.

        Coins that the rival spent are gone, all others are free again. Where the entry was committed, nothing is recorded as
        live any more: what is, the hosts say. Raises LockedError where the lease was lost.
        """
        async with self.database.begin() as connection:
            journal, coins, transactions = Journal(connection), Coins(connection), Transactions(connection)
            lost = await _built_upon(entry, journal, transactions)
            for each in reversed(lost):
                for event in _TO_VOID.get(each.state, (JournalEvent.CONTEST, JournalEvent.LOSE)):
                    await journal.move(each.id, event, now=now, token=self.token)
                await coins.free(each.id)
                await Outbox(connection).drop(each.id)
            if any(each.state in COMMITTED for each in lost):
                await Published(connection).clear()
            await transactions.put(rival)
            await coins.mark_spent([rival])
        for each in lost:
            self.tell(Moved(entry=each.id, state=JournalState.VOID))
        return JournalState.VOID


async def _built_upon(entry: JournalEntry, journal: Journal, transactions: Transactions) -> tuple[JournalEntry, ...]:
    """The entry, and those that spend what it creates, oldest first."""
    open_ones = [*await journal.unproven(), *await journal.unfinished()]
    stored = await transactions.find(txid for each in open_ones for txid in each.txids)
    found, gone = [entry], set(entry.txids)
    for each in sorted(open_ones, key=lambda each: (each.generation, each.created, each.place)):
        spends = {spent.outpoint.txid for txid in each.txids for spent in stored[txid].transaction.inputs}
        if each.id != entry.id and not gone.isdisjoint(spends):
            found.append(each)
            gone.update(each.txids)
    return tuple(found)
