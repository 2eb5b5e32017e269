"""The database side of an apply: each function is one database transaction.

So journal, coins, documents and published state never tell different stories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.apply.events import Moved, Tell
from reconciler.model.journal import COMMITTED, JournalEvent, JournalState
from reconciler.store.coins import Coins, StoredCoin
from reconciler.store.database import Database
from reconciler.store.documents import Documents
from reconciler.store.journal import Journal, JournalEntry
from reconciler.store.outbox import Delivery, Outbox
from reconciler.store.outcome import Outcome
from reconciler.store.published import Published
from reconciler.store.transactions import Transactions
from reconciler.wire.merkle import MerklePath
from reconciler.wire.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The database, with the fencing token of the lease under which it is written (None: only proofs are written)."""

    database: Database
    token: int | None
    tell: Tell

    async def write_down(
        self,
        entry: JournalEntry,
        *,
        transaction: Transaction,
        created: Sequence[StoredCoin],
        documents: Sequence[bytes],
        deliveries: Sequence[Delivery],
    ) -> None:
        """Journal a signed transaction with every coin it locks, before any byte leaves.

        Raises LockedError where a coin is not free or the lease was lost: then nothing is written.
        """
        async with self.database.begin() as connection:
            await Transactions(connection).put(transaction)
            await Documents(connection).put(*documents)
            await Coins(connection).lock([spent.outpoint for spent in transaction.inputs], entry.id, token=self.token)
            await Coins(connection).add(created, entry=entry.id)
            await Outbox(connection).add(deliveries)
            await Journal(connection).create(entry, token=self.token)
        self.tell(Moved(entry=entry.id, state=entry.state))

    async def move(
        self, entry: JournalEntry, event: JournalEvent, *, now: int, path: MerklePath | None = None
    ) -> JournalState:
        """Move an entry on, with everything that its new state means for coins and published state.

        Raises LockedError where the lease was lost, StateError for a move that the table does not know.
        """
        async with self.database.begin() as connection:
            before = entry.state
            after = await Journal(connection).move(entry.id, event, now=now, token=self.token)
            if path is not None:
                await Transactions(connection).prove(entry.txids[-1], path)
            if after in COMMITTED and before not in COMMITTED:
                outcome = Outcome.from_bytes(entry.outcome)
                await Coins(connection).settle(entry.id)
                await Published(connection).commit(outcome)
            if after is JournalState.VOID:
                await Coins(connection).free(entry.id)
                await Outbox(connection).drop(entry.id)
        self.tell(Moved(entry=entry.id, state=after))
        return after
