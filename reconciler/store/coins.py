"""Coins: the outputs this wallet can unlock, and who is about to spend them.

A coin is *expected* while the journal entry that creates it is not at its commit point, then *free*; *locked* by the entry
that will spend it, then *spent*. Only free coins can be locked, so an output that may never exist is never built upon.
Entry ids are those of the journal, transactions those in `Transactions`; both may follow later in the same database transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    ForeignKey,
    LargeBinary,
    Row,
    Table,
    Text,
    Update,
    and_,
    case,
    delete,
    except_,
    func,
    or_,
    select,
    update,
)

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import LockedError, StateError
from reconciler.model.ids import IdentityKey, Outpoint, Txid
from reconciler.model.journal import COMMITTED, GIVEN_UP, EntryRole
from reconciler.model.keys import FUNDING_KEY, RECORD_PROTOCOL, Counterparty, KeyRef
from reconciler.model.observed import Coin, CoinStatus, coin_order
from reconciler.store.batches import batches
from reconciler.store.columns import Choice
from reconciler.store.database import Hex, metadata
from reconciler.store.inserts import insert_new
from reconciler.store.journal import journal, journal_transactions
from reconciler.store.leases import fence
from reconciler.store.live import published_records, published_root
from reconciler.store.outpoints import among
from reconciler.store.transactions import transactions
from reconciler.store.works import Connection
from reconciler.wire.transaction import Transaction, parse_transaction


class Purpose(StrEnum):
    """What an output is for."""

    MONEY = "money"
    TOKEN = "token"  # noqa: S105 - no password
    """Carries a record; never counted as money, never picked to pay with."""


class CoinState(StrEnum):
    """Where a coin stands in our books. What is derived from it and from proofs is model.observed.CoinStatus."""

    EXPECTED = "expected"
    FREE = "free"
    LOCKED = "locked"
    SPENT = "spent"


_LIVE: Final = (CoinState.FREE, CoinState.LOCKED)


def _journal_id() -> ForeignKey:
    return ForeignKey("journal.id", deferrable=True, initially="DEFERRED")


coins = Table(
    "coins",
    metadata,
    Column("txid", Hex, ForeignKey("transactions.txid", deferrable=True, initially="DEFERRED"), primary_key=True),
    Column("vout", BigInteger, primary_key=True),
    Column("satoshis", BigInteger, nullable=False),
    Column("locking", LargeBinary, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("counterparty", Text, nullable=False),
    Column("purpose", Choice(Purpose), nullable=False),
    Column("state", Choice(CoinState), nullable=False, index=True),
    Column("created_by", Text, _journal_id(), index=True),
    Column("entry", Text, _journal_id(), index=True),
    Column("spent_by", Hex),
)
_WITH_PROOF: Final = coins.outerjoin(transactions, coins.c.txid == transactions.c.txid)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCoin:
    """An output of ours. `entry` locks it, or has spent it by `spent_by`; `created_by` is the entry that makes it."""

    outpoint: Outpoint
    satoshis: Satoshis
    locking: bytes
    key: KeyRef
    purpose: Purpose
    state: CoinState = CoinState.FREE
    created_by: str | None = None
    entry: str | None = None
    spent_by: Txid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Money in satoshis: total = confirmed + pending + locked. Coins that an unfinished entry will create are not in it."""

    total: Satoshis
    confirmed: Satoshis
    """Free, and proven by a block."""
    pending: Satoshis
    """Free, not proven yet."""
    locked: Satoshis
    """About to be spent by an unfinished entry, proven or not."""


class Coins:
    """The wallet's outputs by outpoint."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, created: Iterable[StoredCoin], *, entry: str | None = None) -> None:
        """Keep new coins: free ones, or expected from a journal entry. Coins that are here already stay as they are.

        Only what a coin is is taken from the values given; how it stands follows from `entry`.
        """
        state = CoinState.FREE if entry is None else CoinState.EXPECTED
        rows = [_described(coin) | {"state": state, "created_by": entry} for coin in created]
        await insert_new(self._connection, coins, rows)

    async def replace(self, found: Iterable[StoredCoin]) -> None:
        """A rebuild found these to be ours and live: other free coins are spent, by whom we do not know (`spent_by` is None).

        Locked coins stay as they are, and those at the funding address, of our splitters and of revenue too: no root leads to
        them, so that a rebuild cannot see them (PROTOCOL §5).
        """
        coins_found = tuple(found)
        outpoints = {coin.outpoint for coin in coins_found}
        splitters = select(journal.c.id).where(journal.c.role.in_((EntryRole.SPLITTER, EntryRole.FOLLOWER)))
        made = func.coalesce(coins.c.created_by, "")
        seen = select(coins).where(
            coins.c.state == CoinState.FREE,
            coins.c.key_id != FUNDING_KEY.key_id,
            coins.c.key_id.not_like("settle %"),
            made.not_in(splitters),
        )
        gone = {_outpoint(row) for row in await self._connection.execute(seen)} - outpoints
        for batch in batches(sorted(gone)):
            await self._connection.execute(update(coins).values(state=CoinState.SPENT).where(_among(batch)))
        await self.add(coins_found)
        missed = (coins.c.state == CoinState.SPENT, coins.c.spent_by.is_(None))
        given_up = select(journal.c.id).where(journal.c.state.in_(sorted(GIVEN_UP)))
        unhoped = (coins.c.state == CoinState.EXPECTED, coins.c.created_by.in_(given_up))
        freed = update(coins).values(state=CoinState.FREE)
        for batch in batches(sorted(outpoints)):
            await self._connection.execute(freed.where(*missed, _among(batch)))
            await self._connection.execute(freed.where(*unhoped, _among(batch)).values(created_by=None))

    async def get(self, outpoints: Iterable[Outpoint]) -> Mapping[Outpoint, StoredCoin]:
        """Those of `outpoints` that are ours."""
        found: dict[Outpoint, StoredCoin] = {}
        for batch in batches(outpoints):
            rows = await self._connection.execute(select(coins).where(_among(batch)))
            found |= {coin.outpoint: coin for coin in map(_stored, rows)}
        return found

    async def taken(self, outpoints: Iterable[Outpoint]) -> frozenset[Outpoint]:
        """Those of `outpoints` that a transaction which is known here has spent."""
        found = await self.get(outpoints)
        return frozenset(outpoint for outpoint, coin in found.items() if coin.spent_by is not None)

    async def lock(
        self,
        outpoints: Iterable[Outpoint],
        entry: str,
        *,
        token: int | None = None,
        expected_of: Iterable[str] = (),
    ) -> None:
        """Lock free coins for a journal entry: all of them; expected ones, too, of the entries that are written with it.

        Raises LockedError where one is not free, or the lease was lost; the caller's transaction must then be rolled back.
        """
        await fence(self._connection, token)
        wanted = frozenset(outpoints)
        hoped = and_(coins.c.state == CoinState.EXPECTED, coins.c.created_by.in_(sorted(expected_of)))
        takes = or_(coins.c.state == CoinState.FREE, hoped)
        locked = update(coins).values(state=CoinState.LOCKED, entry=entry).where(takes)
        for batch in batches(sorted(wanted)):
            if await self._connection.changed(locked.where(_among(batch))) != len(batch):
                raise await self._not_free(batch, entry)

    async def spend(self, outpoints: Iterable[Outpoint], txid: Txid) -> None:
        """Say that `txid`, ours or a stranger's, has spent these coins. Idempotent.

        Raises StateError where one is not ours, or another transaction has spent it.
        """
        spender = (
            select(journal_transactions.c.entry).where(journal_transactions.c.txid == txid).scalar_subquery()
        )  # NULL for a stranger's: then no entry may ever free the coin
        spent = update(coins).values(state=CoinState.SPENT, spent_by=txid, entry=spender)
        unspent = or_(coins.c.state != CoinState.SPENT, coins.c.spent_by == txid)
        for batch in batches(sorted(frozenset(outpoints))):
            if await self._connection.changed(spent.where(unspent, _among(batch))) != len(batch):
                raise StateError(f"transaction {txid} spends a coin that is unknown or that another one has spent")

    async def mark_spent(self, spenders: Iterable[Transaction]) -> None:
        """Transactions that others made, and that are live, have spent these coins of ours, whatever we meant to do with them."""
        for spender in spenders:
            ours = await self.get(spent.outpoint for spent in spender.inputs)
            await self.spend([each for each, coin in ours.items() if coin.state is not CoinState.SPENT], spender.txid)

    async def settle(self, entry: str) -> None:
        """The entry is at its commit point: what it locked is spent, what it creates is free. Idempotent."""
        query = (
            select(transactions.c.raw)
            .join(journal_transactions, journal_transactions.c.txid == transactions.c.txid)
            .where(journal_transactions.c.entry == entry)
            .order_by(journal_transactions.c.position)
        )
        for raw in (await self._connection.scalars(query)).all():
            transaction = parse_transaction(raw)
            ours = await self.get(spent.outpoint for spent in transaction.inputs)
            await self.spend(ours, transaction.txid)
        await self.confirm(entry)

    async def confirm(self, entry: str) -> None:
        """What the entry creates is free from now on."""
        await self._connection.execute(
            update(coins)
            .where(coins.c.created_by == entry, coins.c.state == CoinState.EXPECTED)
            .values(state=CoinState.FREE)
        )

    async def free(self, entry: str) -> None:
        """The entry was given up: its inputs are free again, spent by it or not, and what it would create is expected.

        That a block may yet have it is why; what no transaction of the entry creates any more is gone. A coin that another
        transaction has spent (`spend`) stays spent; one that an earlier entry is still to create is expected.
        """
        kept = select(journal_transactions.c.txid).where(journal_transactions.c.entry == entry)
        await self._connection.execute(delete(coins).where(coins.c.created_by == entry, coins.c.txid.not_in(kept)))
        await self._connection.execute(
            update(coins).where(coins.c.created_by == entry).values(state=CoinState.EXPECTED, entry=None, spent_by=None)
        )
        await self._connection.execute(_unlocked().where(coins.c.entry == entry))

    async def overrule(self, spender: Transaction) -> None:
        """A mined transaction has spent these coins, whatever the books said of them before."""
        owner = (
            select(journal_transactions.c.entry).where(journal_transactions.c.txid == spender.txid).scalar_subquery()
        )
        spent = update(coins).values(state=CoinState.SPENT, spent_by=spender.txid, entry=owner)
        for batch in batches(sorted({each.outpoint for each in spender.inputs})):
            await self._connection.execute(spent.where(_among(batch)))

    async def unmake(self, txids: Iterable[Txid]) -> None:
        """Transactions that others made will never be mined: what they gave us never was."""
        for batch in batches(txids):
            await self._connection.execute(delete(coins).where(coins.c.created_by.is_(None), coins.c.txid.in_(batch)))

    async def disown(self, txids: Iterable[Txid]) -> None:
        """What these transactions make is another identity's, and not to be found among our coins."""
        for batch in batches(txids):
            await self._connection.execute(delete(coins).where(coins.c.txid.in_(batch)))

    async def withdraw(self, follower: Transaction, entry: str) -> None:
        """What followed an entry will never be mined: its inputs are free again, and what it created never was."""
        await self._connection.execute(delete(coins).where(coins.c.created_by == entry, coins.c.txid == follower.txid))
        for batch in batches(sorted({each.outpoint for each in follower.inputs})):
            await self._connection.execute(_unlocked().where(coins.c.entry == entry, _among(batch)))

    async def release(self, follower: Transaction, entry: str) -> None:
        """What followed an entry is one of its own now: that locks what it spends, and is still to create what it makes."""
        made = update(coins).where(coins.c.created_by == entry, coins.c.txid == follower.txid)
        await self._connection.execute(made.where(coins.c.state == CoinState.FREE).values(state=CoinState.EXPECTED))
        await self._connection.execute(made.values(created_by=follower.txid))
        locked = update(coins).values(state=CoinState.LOCKED, entry=follower.txid, spent_by=None)
        for batch in batches(sorted({each.outpoint for each in follower.inputs})):
            await self._connection.execute(locked.where(coins.c.entry == entry, _among(batch)))

    async def spendable(self) -> tuple[Coin, ...]:
        """Free money, in the order in which it is to be taken (model.observed.coin_order)."""
        query = (
            select(coins, transactions.c.height)
            .select_from(_WITH_PROOF)
            .where(coins.c.purpose == Purpose.MONEY, coins.c.state == CoinState.FREE)
        )
        return tuple(sorted(map(_coin, await self._connection.execute(query)), key=coin_order))

    async def strays(self) -> tuple[Outpoint, ...]:
        """Free record tokens that nothing live is recorded of: a sweep did not get to them."""
        free = select(coins.c.txid, coins.c.vout).where(
            coins.c.state == CoinState.FREE, coins.c.protocol == RECORD_PROTOCOL
        )
        live = (select(table.c.txid, table.c.vout) for table in (published_root, published_records))
        # Sets, and not a look for each token: the records have no index by outpoint.
        return tuple(sorted(_outpoint(row) for row in await self._connection.execute(except_(free, *live))))

    async def balance(self) -> Balance:
        """All live money."""
        pending = transactions.c.height.is_(None)
        query = (
            select(coins.c.state, pending, func.sum(coins.c.satoshis))
            .select_from(_WITH_PROOF)
            .where(coins.c.purpose == Purpose.MONEY, coins.c.state.in_(_LIVE))
            .group_by(coins.c.state, pending)
        )
        sums = dict.fromkeys(CoinStatus, 0)
        for state, is_pending, amount in await self._connection.execute(query):
            sums[_status(state, pending=bool(is_pending))] += int(amount)
        return Balance(
            total=Satoshis(sum(sums.values())),
            confirmed=Satoshis(sums[CoinStatus.CONFIRMED]),
            pending=Satoshis(sums[CoinStatus.PENDING]),
            locked=Satoshis(sums[CoinStatus.LOCKED]),
        )

    async def all(self) -> tuple[StoredCoin, ...]:
        """Every output that is or was ours, spent and expected ones too, by outpoint: for the audit."""
        query = select(coins).order_by(coins.c.txid, coins.c.vout)
        return tuple(_stored(row) for row in await self._connection.execute(query))

    async def live(self) -> tuple[StoredCoin, ...]:
        """Every unspent output of ours, free or locked, money or token, by outpoint."""
        query = select(coins).where(coins.c.state.in_(_LIVE)).order_by(coins.c.txid, coins.c.vout)
        return tuple(_stored(row) for row in await self._connection.execute(query))

    async def _not_free(self, outpoints: Iterable[Outpoint], entry: str) -> LockedError:
        here = await self.get(outpoints)
        for outpoint in outpoints:
            coin = here.get(outpoint)
            if coin is None:
                return LockedError("a coin that was to be spent is not in the wallet any more", where=str(outpoint))
            if coin.entry != entry:
                return LockedError(f"a coin that was to be spent is {coin.state}", where=str(outpoint))
        return LockedError(f"the coins of journal entry {entry} are locked already")


def _unlocked() -> Update:
    """Coins that nothing spends any more: free, or expected while what creates them is not at its commit point."""
    uncommitted = select(journal.c.id).where(journal.c.state.not_in(sorted(COMMITTED)))
    state = case((coins.c.created_by.in_(uncommitted), CoinState.EXPECTED), else_=CoinState.FREE)
    return update(coins).values(state=state, entry=None, spent_by=None)


def _among(outpoints: Sequence[Outpoint]) -> ColumnElement[bool]:
    return among(coins.c.txid, coins.c.vout, outpoints)


def _described(coin: StoredCoin) -> dict[str, object]:
    return {
        "txid": coin.outpoint.txid,
        "vout": coin.outpoint.vout,
        "satoshis": coin.satoshis,
        "locking": coin.locking,
        "protocol": coin.key.protocol,
        "key_id": coin.key.key_id,
        "counterparty": coin.key.counterparty,
        "purpose": coin.purpose,
    }


def _status(state: CoinState, *, pending: bool) -> CoinStatus:
    if state is CoinState.LOCKED:
        return CoinStatus.LOCKED
    return CoinStatus.PENDING if pending else CoinStatus.CONFIRMED


def _key(row: Row[Any]) -> KeyRef:
    counterparty: Counterparty
    match row.counterparty:
        case "self" | "anyone":
            counterparty = row.counterparty
        case text:
            counterparty = IdentityKey(text)
    return KeyRef(row.protocol, row.key_id, counterparty)


def _outpoint(row: Row[Any]) -> Outpoint:
    return Outpoint(Txid(row.txid), row.vout)


def _coin(row: Row[Any]) -> Coin:
    return Coin(
        outpoint=_outpoint(row),
        satoshis=Satoshis(row.satoshis),
        key=_key(row),
        status=_status(row.state, pending=row.height is None),
    )


def _stored(row: Row[Any]) -> StoredCoin:
    return StoredCoin(
        outpoint=_outpoint(row),
        satoshis=Satoshis(row.satoshis),
        locking=row.locking,
        key=_key(row),
        purpose=row.purpose,
        state=row.state,
        created_by=row.created_by,
        entry=row.entry,
        spent_by=None if row.spent_by is None else Txid(row.spent_by),
    )
