"""What a mined transaction rules out, and what it brings back: the books after a contest that a block has decided (PROTOCOL §4).

A transaction is dead once a mined one spends what it spends, or what it spends is an output of a dead one: of an apply of
ours or of somebody else's. Nothing else ever makes something void that may have left this machine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from reconciler.model.ids import Txid
from reconciler.model.journal import COMMITTED, GIVEN_UP, JournalEvent, JournalState
from reconciler.model.observed import ObservedRoot
from reconciler.store.coins import Coins
from reconciler.store.handovers import Handovers
from reconciler.store.journal import Journal, JournalEntry
from reconciler.store.leases import fence
from reconciler.store.outbox import Outbox
from reconciler.store.outcome import Outcome
from reconciler.store.published import Published
from reconciler.store.settings import Settings
from reconciler.store.transactions import Transactions
from reconciler.store.works import Connection
from reconciler.wire.merkle import MerklePath
from reconciler.wire.transaction import Transaction

_TO_VOID: Final = {
    JournalState.PREPARED: (JournalEvent.ABANDON,),
    JournalState.CONTESTED: (JournalEvent.LOSE,),
    JournalState.REFUSED: (JournalEvent.LOSE,),
}
"""How an entry that has lost its coins becomes void; from any other state it is contested first."""


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction, and the path from it to a header of the chain."""

    transaction: Transaction
    path: MerklePath


def dead(winner: Transaction, others: Iterable[Transaction]) -> frozenset[Txid]:
    """Which of `others`, none of which is proven, can never be mined because `winner` is. Pure."""
    spends = {each.txid: {spent.outpoint for spent in each.inputs} for each in others if each.txid != winner.txid}
    taken = {spent.outpoint for spent in winner.inputs}
    found = {txid for txid, outpoints in spends.items() if not taken.isdisjoint(outpoints)}
    fresh = found
    while fresh:
        fresh = {
            txid
            for txid, outpoints in spends.items()
            if txid not in found and any(outpoint.txid in fresh for outpoint in outpoints)
        }
        found |= fresh
    return frozenset(found)


async def unlist(journal: Journal, entry: JournalEntry, dropped: Collection[Txid]) -> None:
    """Take out of what an entry makes live the advertisements in transactions that are no part of it any more."""
    if not entry.publishes:
        return
    outcome = Outcome.from_bytes(await journal.outcome(entry.id))
    kept = tuple(ad for ad in outcome.ads if ad.outpoint.txid not in dropped)
    if kept != outcome.ads:
        await journal.rewrite(entry.id, replace(outcome, ads=kept).to_bytes())


async def publish(connection: Connection, outcome: Outcome) -> None:
    """Make an outcome live. One that rotates the identity key hands the database over with it (PROTOCOL §10)."""
    await Published(connection).commit(outcome)
    if outcome.replaces is not None:
        await Settings(connection).hand_over(outcome.identity)


@dataclass(slots=True)
class Decision:
    """The books of one database transaction, in which a mined transaction is written down with all that follows from it."""

    connection: Connection
    token: int | None
    """Of the lease."""
    now: int
    moved: dict[str, JournalState] = field(default_factory=dict)
    """The entries that are in another state now."""

    async def write(self, winner: Mined) -> None:
        """Void what it rules out, free the coins that it does not spend, and, where it is one of ours, make it live again.

        Where something that was live is ruled out, nothing is recorded as live any more: what is, the hosts say. Raises
        LockedError where the lease was lost.
        """
        await fence(self.connection, self.token)
        published, transactions = Published(self.connection), Transactions(self.connection)
        live = await published.root()
        await transactions.put(winner.transaction, winner.path)
        gone = dead(winner.transaction, await transactions.pending())
        await Coins(self.connection).unmake(gone)
        lost = await self._rule_out(gone)
        await Coins(self.connection).overrule(winner.transaction)
        was_live = live is not None and live.record.outpoint.txid in gone
        if was_live or any(entry.state in COMMITTED and entry.publishes for entry in lost):
            await published.clear()
        await self._bring_back(winner.transaction)

    async def _rule_out(self, gone: Collection[Txid]) -> list[JournalEntry]:
        """Latest first: what spends another one's outputs goes before it. Returns the entries that are void now."""
        lost, dropped = [], set(gone)
        for entry in reversed(await Journal(self.connection).open()):
            if entry.root in gone:
                dropped |= await self._void(entry, gone)
                lost.append(entry)
            else:
                for follower in entry.txids[:0:-1]:
                    if follower in gone:
                        await self._give_up(entry, follower)
                        dropped.add(follower)
        await self._unlist(dropped)
        return lost

    async def _void(self, entry: JournalEntry, gone: Collection[Txid]) -> set[Txid]:
        """Returns what was to follow, and never will; what may have left goes its own way."""
        followers = set(entry.txids[1:])
        gone_their_way = await Handovers(self.connection).sent(followers) - set(gone)
        for follower in reversed([txid for txid in entry.txids if txid in gone_their_way]):
            await self._release(entry, follower)
        await self._move(entry, *_TO_VOID.get(entry.state, (JournalEvent.CONTEST, JournalEvent.LOSE)))
        await Coins(self.connection).free(entry.id)
        await Outbox(self.connection).rest(entry.id)
        await self._give_back(entry, gone_their_way)
        return followers - gone_their_way

    async def _give_back(self, entry: JournalEntry, gone_their_way: Collection[Txid]) -> None:
        """A rotation of the identity key that is lost: the database is the old key's again, and what the new one has is not in it."""
        replaced = (await self._outcome(entry)).replaces if entry.publishes else None
        if replaced is not None:
            await Coins(self.connection).disown(gone_their_way)
            await Settings(self.connection).hand_over(replaced)

    async def _release(self, entry: JournalEntry, follower: Txid) -> None:
        alone = await Journal(self.connection).release(entry, follower)
        await Coins(self.connection).release(await self._transaction(follower), entry.id)
        await Outbox(self.connection).release(entry.id, follower)
        self.moved[alone.id] = alone.state

    async def _give_up(self, entry: JournalEntry, follower: Txid) -> None:
        await Coins(self.connection).withdraw(await self._transaction(follower), entry.id)
        await Outbox(self.connection).drop(entry.id, follower)
        await Journal(self.connection).drop(follower)

    async def _unlist(self, dropped: Collection[Txid]) -> None:
        """No advertisement lies in a transaction that never will be mined: the next plan makes it anew."""
        if not dropped:
            return
        journal, published = Journal(self.connection), Published(self.connection)
        entries = [*await journal.open(), *[await journal.get(moved) for moved in self.moved]]
        for entry in entries:
            if entry is not None:
                await unlist(journal, entry, dropped)
        ads = await published.ads()
        await published.place_ads([ad for ad in ads if ad.outpoint.txid not in dropped])

    async def _bring_back(self, winner: Transaction) -> None:
        """What was given up and is mined all the same is live, with the coins it makes; hosts are told."""
        entry = await Journal(self.connection).get(winner.txid)
        if entry is None or entry.state not in GIVEN_UP:
            return
        await self._move(entry, JournalEvent.MINE)
        await Coins(self.connection).settle(entry.id)
        if not entry.publishes:
            return
        published, outcome = Published(self.connection), await self._outcome(entry)
        if self._goes_on(await published.root(), outcome, winner):
            await publish(self.connection, outcome)
        else:
            await published.clear()

    @staticmethod
    def _goes_on(live: ObservedRoot | None, outcome: Outcome, winner: Transaction) -> bool:
        """Whether the outcome, which tells what differs from what was live, was made for what is recorded."""
        if live is None:
            return outcome.root is not None and outcome.root.generation == 1
        return live.record.outpoint in {spent.outpoint for spent in winner.inputs}

    async def _move(self, entry: JournalEntry, *events: JournalEvent) -> None:
        for event in events:
            state = await Journal(self.connection).move(entry.id, event, now=self.now, token=self.token)
            self.moved[entry.id] = state

    async def _outcome(self, entry: JournalEntry) -> Outcome:
        return Outcome.from_bytes(await Journal(self.connection).outcome(entry.id))

    async def _transaction(self, txid: Txid) -> Transaction:
        return (await Transactions(self.connection).find([txid]))[txid].transaction
