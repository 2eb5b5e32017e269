"""Finishing what an earlier apply left behind, and following what is on its way to a block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from reconciler.apply.ancestry import complete_ours
from reconciler.apply.batches import until_mined
from reconciler.apply.books import Books
from reconciler.apply.broadcast import PATIENCE, broadcast
from reconciler.apply.contest import Judge
from reconciler.apply.deliver import Delivered, OverlayHost, deliver, overrule
from reconciler.apply.events import Ending, Event, Step
from reconciler.apply.handover import Broadcaster
from reconciler.apply.losses import Mined
from reconciler.apply.prove import settle
from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.model.ids import IdentityKey, Txid
from reconciler.model.journal import GIVEN_UP, UNFINISHED, EntryRole, JournalEvent, JournalState
from reconciler.store.coins import Coins
from reconciler.store.journal import Journal, JournalEntry
from reconciler.store.transactions import Transactions
from reconciler.store.works import Connection
from reconciler.wire.arc import Standing, TxReport
from reconciler.wire.beef import Beef

_AGAIN: Final = frozenset({Standing.STALE, Standing.CONTESTED, Standing.UNKNOWN})
"""Where sending again may help: it was thrown out of a block, dropped, or lacks parents that were."""
_IN_DOUBT: Final = frozenset({Standing.CONTESTED, Standing.REFUSED})
"""Where another transaction may have won."""


class Payer(Protocol):
    """Whoever brings payments to those whom they are for (`apply.paymaster.Paymaster`)."""

    async def finish(self, entry: JournalEntry) -> None:
        """Bring a payment that was left to an end, as far as others let us. Nobody waits for one."""
        ...


async def recover(
    *,
    books: Books,
    arc: Broadcaster,
    judge: Judge,
    hosts: Mapping[str, OverlayHost],
    identity: IdentityKey,
    paymaster: Payer,
    now: Callable[[], int],
    patience: float = PATIENCE,
    gives_up: bool = False,
) -> Delivered:
    """Void what was never sent or has lost, bring what may have been sent to the commit point, and empty the outbox.

    An entry that is only prepared is voided, not sent: the next plan will say the same, or something better. But what belongs
    to a lock that has left is sent, or the root would stay pending, unless it `gives_up`: then its lock is taken back. A payment
    of storage is brought to its host again (`paymaster`), and waited for by nobody. Raises as broadcast does where an entry cannot be
    decided yet.
    """
    await settle(books=books, arc=arc, proofs=judge.proofs, now=now)
    await complete_ours(database=books.database, index=judge.index, proofs=judge.proofs)
    await _look_after_given_up(books=books, arc=arc, now=now)
    await _look_after_seen(books=books, arc=arc, judge=judge, hosts=hosts, now=now)
    await _look_after_followers(books=books, arc=arc, judge=judge, hosts=hosts, now=now)
    async with books.database.begin() as connection:
        unfinished, bound = await Journal(connection).unfinished(), await Journal(connection).bound()
    kept = frozenset() if gives_up else bound
    prepared = [entry for entry in unfinished if entry.state is JournalState.PREPARED and entry.id not in kept]
    for entry in reversed(prepared):  # what spends another one's outputs goes first
        await books.move(entry, JournalEvent.ABANDON, now=now())
        detail = "nothing had been sent; its coins are free again"
        books.tell(Event(step=Step.RECOVER, subject=entry.id, ending=Ending.DONE, detail=detail))
    for left in unfinished:
        async with books.database.begin() as connection:
            current = await Journal(connection).get(left.id)
        if current is not None and current.state in UNFINISHED:  # one that lost takes those with it that build on it
            if current.role is EntryRole.PAYMENT:
                await paymaster.finish(current)
                continue
            await until_mined(current, books=books, arc=arc, proofs=judge.proofs, now=now)
            ended = await broadcast(
                current,
                books=books,
                arc=arc,
                judge=judge,
                hosts=hosts,
                now=now,
                patience=patience,
                gives_up=gives_up,
            )
            is_over = ended.state in GIVEN_UP
            whole = f"generation {current.generation}" if current.publishes else f"the {current.role}"
            detail = f"{ended.state}; its coins are free again" if is_over else f"{whole} finished"
            books.tell(Event(step=Step.RECOVER, subject=current.id, ending=Ending.DONE, detail=detail))
    return await deliver(books=books, hosts=hosts, arc=arc, identity=identity, now=now)


async def _look_after_given_up(*, books: Books, arc: Broadcaster, now: Callable[[], int]) -> None:
    """What was given up may be mined all the same; what nobody took may be taken after all, or have been replaced for good."""
    async with books.database.begin() as connection:
        mined = await Journal(connection).found_mined()
        refused = await Journal(connection).refused()
        decisions = [await _mined(connection, entry.root) for entry in mined]
        decisions += [await _replacement(connection, entry) for entry in refused if entry not in mined]
    for decision in decisions:
        if decision is not None:
            await books.decide(decision, now=now())
    for entry in mined:
        detail = "was given up, and is mined all the same; what is live is read anew"
        books.tell(Event(step=Step.RECOVER, subject=entry.id, ending=Ending.DONE, detail=detail))
    async with books.database.begin() as connection:
        refused = await Journal(connection).refused()
    for entry in refused:
        if await _is_out(entry.root, arc):
            await books.repeat(entry, now=now())


async def _mined(connection: Connection, txid: Txid) -> Mined | None:
    """A stored transaction with its proof, if it has one."""
    stored = await Transactions(connection).get(txid)
    return None if stored is None or stored.proof is None else Mined(stored.transaction, stored.proof)


async def _replacement(connection: Connection, entry: JournalEntry) -> Mined | None:
    """The mined transaction that spends a coin of an entry's, as far as the books know."""
    stored = await Transactions(connection).find([entry.root])
    coins = await Coins(connection).get(spent.outpoint for spent in stored[entry.root].transaction.inputs)
    for spender in sorted({coin.spent_by for coin in coins.values() if coin.spent_by is not None}):
        if (found := await _mined(connection, spender)) is not None:
            return found
    return None


async def _is_out(txid: Txid, arc: Broadcaster) -> bool:
    """Whether an ARC has what all had refused."""
    report = await _said(txid, arc)
    return report is not None and report.standing not in {Standing.REFUSED, Standing.UNKNOWN}


async def _said(txid: Txid, arc: Broadcaster) -> TxReport | None:
    """How a transaction stands that nothing here waits for; None also where nobody says anything new."""
    try:
        return await arc.status(txid)
    except (UnreachableError, RefusedError):
        return None


async def _look_after_seen(
    *, books: Books, arc: Broadcaster, judge: Judge, hosts: Mapping[str, OverlayHost], now: Callable[[], int]
) -> None:
    """What was seen is not mined yet: dropped or thrown back by a reorg, it is sent again; or it has lost after all.

    Oldest first, each with the ancestry that no block proves: parents go before their children.
    """
    async with books.database.begin() as connection:
        seen = await Journal(connection).unproven()
        beefs = {entry.id: await Transactions(connection).beef([entry.root]) for entry in seen}
    for entry in seen:
        rival = await _rival(entry.root, beefs[entry.id], arc, judge)
        if rival is not None:
            await overrule(rival, books=books, hosts=hosts, now=now())
            detail = f"{rival.transaction.txid} was mined, and spends the same; what is live is read anew"
            books.tell(Event(step=Step.RECOVER, subject=entry.id, ending=Ending.FAILED, detail=detail))
            return  # whatever was built upon it is void as well


async def _look_after_followers(
    *, books: Books, arc: Broadcaster, judge: Judge, hosts: Mapping[str, OverlayHost], now: Callable[[], int]
) -> None:
    """What follows a root may lose where the root does not: another machine paid from the same purse."""
    async with books.database.begin() as connection:
        transactions = Transactions(connection)
        waiting = await Journal(connection).following(await transactions.unproven())
        beefs = {txid: await transactions.beef([txid]) for txid in waiting}
    for txid, beef in beefs.items():
        rival = await _rival(txid, beef, arc, judge)
        if rival is not None:
            await overrule(rival, books=books, hosts=hosts, now=now())
            detail = (
                f"{rival.transaction.txid} was mined, and spends the same; the next plan makes the advertisements anew"
            )
            books.tell(Event(step=Step.RECOVER, subject=txid, ending=Ending.FAILED, detail=detail))


async def _rival(txid: Txid, beef: Beef, arc: Broadcaster, judge: Judge) -> Mined | None:
    """Ask how a transaction stands, send it again where that may help, and look for what was mined in its place."""
    if beef.proof(txid) is not None:
        return None
    report = await _said(txid, arc)
    if report is None or report.standing in _AGAIN:
        report = await _sent_again(beef, txid, arc)
    if report is None or report.standing not in _IN_DOUBT:
        return None
    return await judge.winner(beef, report)


async def _sent_again(beef: Beef, txid: Txid, arc: Broadcaster) -> TxReport | None:
    try:
        return await arc.submit(beef, txid)
    except (UnreachableError, RefusedError):  # it stays what it was, and is asked about again
        return None
