"""The database side of an apply: each function is one database transaction.

So journal, coins, documents and published state never tell different stories.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from reconciler.apply.events import Moved, Tell
from reconciler.apply.losses import Decision, Mined, publish, unlist
from reconciler.model.errors import LockedError, StateError
from reconciler.model.ids import Outpoint, Txid
from reconciler.model.journal import COMMITTED, GIVEN_UP, JournalEvent, JournalState
from reconciler.model.observed import StorageGood
from reconciler.store.coins import Coins, CoinState, StoredCoin
from reconciler.store.database import Database
from reconciler.store.documents import Documents
from reconciler.store.journal import Journal, JournalEntry
from reconciler.store.outbox import Delivery, Outbox
from reconciler.store.outcome import Outcome
from reconciler.store.purchases import Bought, Purchases
from reconciler.store.transactions import Transactions
from reconciler.store.works import Connection
from reconciler.wire.merkle import MerklePath
from reconciler.wire.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A journal entry to be written, with the bytes of its transactions and the coins that they make ours."""

    entry: JournalEntry
    transactions: tuple[Transaction, ...]
    created: tuple[StoredCoin, ...]
    outcome: bytes = b""
    """What becomes live by it (Journal.create)."""
    bought: Bought | None = None
    """What it buys of a storage host, where it is a payment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The database, with the fencing token of the lease under which it is written (None: only proofs are written)."""

    database: Database
    token: int | None
    tell: Tell

    async def write_down(
        self,
        pages: Sequence[Page],
        *,
        documents: Sequence[bytes] = (),
        deliveries: Sequence[Delivery] = (),
        rotates: bool = False,
    ) -> tuple[JournalEntry, ...]:
        """Journal signed transactions with every coin they lock, before any byte leaves; returns the entries as they are now.

        A page may spend what an earlier one creates. Raises LockedError where a coin is not free or the lease was lost, and
        StateError where one that `rotates` the identity key leaves a coin behind: then nothing is written.
        """
        async with self.database.begin() as connection:
            await Documents(connection).put(*documents)
            among = frozenset(each.entry.id for each in pages)
            makers = {each.txid: page.entry.id for page in pages for each in page.transactions}
            entries = [await self._write_page(connection, page, makers) for page in pages]
            if rotates:
                await _leaves_nothing(connection, among)
            await Outbox(connection).add(deliveries)
            await Purchases(connection).add(page.bought for page in pages if page.bought is not None)
            await _check_conflicts(connection, {page.bought.good for page in pages if page.bought is not None})
        for entry in entries:
            self.tell(Moved(entry=entry.id, state=entry.state))
        return tuple(entries)

    async def _write_page(self, connection: Connection, page: Page, makers: Mapping[Txid, str]) -> JournalEntry:
        """`makers` are the entries that are written with it, by their transactions."""
        coins, made = Coins(connection), {each.txid for each in page.transactions}
        for transaction in page.transactions:
            await Transactions(connection).put(transaction)
        spent = [each.outpoint for transaction in page.transactions for each in transaction.inputs]
        outside = [outpoint for outpoint in spent if outpoint.txid not in made]
        expected_of = {makers[outpoint.txid] for outpoint in outside if outpoint.txid in makers}
        await coins.lock(outside, page.entry.id, token=self.token, expected_of=expected_of)
        await coins.add(page.created, entry=page.entry.id)
        return await Journal(connection).create(page.entry, outcome=page.outcome, token=self.token)

    async def move(self, entry: JournalEntry, event: JournalEvent, *, now: int) -> JournalState:
        """Move an entry on, with everything that its new state means for coins and published state.

        Raises LockedError where the lease was lost, StateError for a move that the table does not know.
        """
        async with self.database.begin() as connection:
            before, journal = entry.state, Journal(connection)
            after = await journal.move(entry.id, event, now=now, token=self.token)
            if after in COMMITTED and before not in COMMITTED:
                await Coins(connection).settle(entry.id)
                if entry.publishes:
                    await publish(connection, Outcome.from_bytes(await journal.outcome(entry.id)))
            if after in GIVEN_UP:
                await unlist(journal, entry, entry.txids[1:])
                await Coins(connection).free(entry.id)
                await Outbox(connection).rest(entry.id)
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
        """The block that proved these transactions is gone: they, and the entries they belong to, wait for another one.

        Hosts are given all that waits once more, with its ancestry: they may have lost more of it than we have.
        """
        async with self.database.begin() as connection:
            journal, transactions = Journal(connection), Transactions(connection)
            for txid in txids:
                await transactions.unprove(txid)
            reorganised = await journal.mined(txids)
            for entry in reorganised:
                await journal.move(entry.id, JournalEvent.REORG, now=now, token=None)
            await Outbox(connection).again(entry.id for entry in await journal.unproven())
        for entry in reorganised:
            self.tell(Moved(entry=entry.id, state=JournalState.SEEN))

    async def decide(self, winner: Mined, *, now: int) -> None:
        """A transaction is mined: write down what that rules out of ours, and what it brings back (apply/losses.py).

        Raises LockedError where the lease was lost.
        """
        async with self.database.begin() as connection:
            decision = Decision(connection, self.token, now)
            await decision.write(winner)
        for entry, state in decision.moved.items():
            self.tell(Moved(entry=entry, state=state))

    async def repeat(self, entry: JournalEntry, *, now: int) -> bool:
        """Somebody has what was given up: it is on its way again, if its coins are still there; returns whether they are."""
        async with self.database.begin() as connection:
            ours = await _inputs(connection, entry)
            if not _are_free(ours):
                return False
            await Coins(connection).lock(ours, entry.id, token=self.token)
            state = await Journal(connection).move(entry.id, JournalEvent.REPEAT, now=now, token=self.token)
        self.tell(Moved(entry=entry.id, state=state))
        return True


async def _leaves_nothing(connection: Connection, entries: frozenset[str]) -> None:
    """Raises StateError where a rotation of the identity key would leave coins that only the old key can spend."""
    for coin in await Coins(connection).live():
        if not entries.intersection({coin.entry, coin.created_by}):
            raise StateError(
                "a coin would be left behind under the old identity key",
                where=str(coin.outpoint),
                hint="drop rotation and apply, which gathers coins, or `overlay state rebuild`, which takes stock; then rotate",
            )


async def _check_conflicts(connection: Connection, goods: Collection[StorageGood]) -> None:
    """What nobody took may be mined yet: only what spends one of its coins may take its place (PROTOCOL §4).

    `goods` are what is paid for now: a refused payment for one of them is replaced.
    """
    replaced = {bought.txid for bought in await Purchases(connection).refused() if bought.good in goods}
    for entry in await Journal(connection).refused():
        is_in_place = entry.publishes or entry.id in replaced
        if is_in_place and _are_free(await _inputs(connection, entry)):
            raise LockedError(
                "a transaction that nobody took may be mined yet, and this plan spends none of its coins",
                where=entry.root,
                hint="apply again later",
            )


async def _inputs(connection: Connection, entry: JournalEntry) -> Mapping[Outpoint, StoredCoin]:
    """The coins that an entry's own transaction spends."""
    stored = await Transactions(connection).find([entry.root])
    return await Coins(connection).get(spent.outpoint for spent in stored[entry.root].transaction.inputs)


def _are_free(coins: Mapping[Outpoint, StoredCoin]) -> bool:
    return all(coin.state is CoinState.FREE for coin in coins.values())
