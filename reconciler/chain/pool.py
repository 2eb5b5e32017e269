"""The mempool of the embedded chain: who comes in, who conflicts, who waits for a parent, who goes (WIRE §4.9).

Every outpoint has at most one spender among pool and chain; whoever comes second is kept beside, as a rival of the first.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

from reconciler.chain.blocks import MATURITY, median_time
from reconciler.chain.branch import Branch
from reconciler.chain.rules import check_form, check_spending, is_final, refusal
from reconciler.model.amounts import FeeRate, Satoshis
from reconciler.model.errors import RefusedError  # R
from reconciler.model.ids import Txid
from reconciler.wire.arc import ArcError, TxStatus
from reconciler.wire.transaction import Transaction, TxOutput, parse_transaction

Tell = Callable[[Txid], None]
"""Called with every transaction whose status has changed."""


class Place(StrEnum):
    """Where a transaction is."""

    POOL = "pool"
    CHAIN = "chain"
    ORPHAN = "orphan"
    """Waits for a parent."""
    LOST = "lost"
    """Neither here nor coming back by itself."""


_ACTIVE: Final = frozenset({Place.POOL, Place.CHAIN})


@dataclass(frozen=True, slots=True)
class _Source:
    """An output that a transaction in pool or chain has."""

    output: TxOutput
    spender: Txid | None


class Pool:
    """Changes the pool, in the transaction of `connection`."""

    def __init__(self, connection: sqlite3.Connection, *, now: float, rate: FeeRate, tell: Tell) -> None:
        self._connection = connection
        self._branch = Branch(connection)
        self._now = now
        self._rate = rate
        self._tell = tell

    def submit(self, transaction: Transaction, spent: Sequence[TxOutput] | None = None) -> None:
        """Take a transaction, or do nothing if it is here already; its status says what became of it.

        `spent` are the outputs that the sender says it spends: with them it may come before its parents. Raises RefusedError
        with a code of ArcError where ARC would not pass it on.
        """
        if self._place(transaction.txid) in _ACTIVE:
            return
        self._admit(transaction, spent)
        freed = deque(self._freed_by(transaction.txid))
        while freed:
            orphan = freed.popleft()
            try:
                self._admit(orphan, None)
            except RefusedError as error:  # what its sender said of its parents was not true
                self.set_aside(orphan, Place.LOST, TxStatus.REJECTED, error.message)
            freed += self._freed_by(orphan.txid)

    def evict(self, txid: Txid, status: TxStatus, why: str) -> None:
        """Take a transaction out of the pool; its descendants wait for it from now on. Raises RefusedError if not there."""
        if self._place(txid) is not Place.POOL:
            raise refusal(ArcError.NOT_FOUND, f"the transaction {txid} is not in the mempool")
        leaving = self._descendants(txid)
        for each in leaving:
            transaction = self.stored(each)
            self._release(transaction)
            if each == txid:
                self.set_aside(transaction, Place.LOST, status, why)
            else:
                self._park(transaction, leaving)

    def forget(self, txid: Txid) -> None:
        """Drop a transaction without a trace; its descendants wait for it. Raises RefusedError if it is not in the pool."""
        self.evict(txid, TxStatus.UNKNOWN, "")
        self._connection.execute("DELETE FROM tx WHERE txid = ?", (bytes.fromhex(txid),))

    def stored(self, txid: Txid) -> Transaction:
        """A transaction that has come once, wherever it is. Raises RefusedError (code 404)."""
        row = self._connection.execute("SELECT raw FROM tx WHERE txid = ?", (bytes.fromhex(txid),)).fetchone()
        if row is None:
            raise refusal(ArcError.NOT_FOUND, f"the transaction {txid} is not known")
        return parse_transaction(row[0])

    def waiting(self) -> tuple[Txid, ...]:
        """Everything in the pool, parents before children."""
        rows = self._connection.execute("SELECT txid FROM tx WHERE place = 'pool' ORDER BY arrival")
        return tuple(Txid(row[0].hex()) for row in rows)

    def oldest(self) -> float | None:
        """When the transaction that has waited longest came in."""
        received: float | None = self._connection.execute(
            "SELECT min(received) FROM tx WHERE place = 'pool'"
        ).fetchone()[0]
        return received

    def lineage(self, txid: Txid) -> tuple[Txid, ...]:
        """A transaction of the pool with its ancestors there, parents before children."""
        wanted: set[Txid] = set()
        stack = [txid]
        while stack:
            current = stack.pop()
            if current not in wanted and self._place(current) is Place.POOL:
                wanted.add(current)
                stack += (spending.outpoint.txid for spending in self.stored(current).inputs)
        return tuple(each for each in self.waiting() if each in wanted)

    def keep(self, transaction: Transaction) -> None:
        """Let the outputs of a transaction that is now in pool or chain be spent."""
        key = bytes.fromhex(transaction.txid)
        self._connection.executemany(
            "INSERT INTO output (txid, vout, satoshis, locking, locking_hash) VALUES (?, ?, ?, ?, ?)",
            (
                (key, vout, output.satoshis, output.locking, sha256(output.locking).digest())
                for vout, output in enumerate(transaction.outputs)
            ),
        )

    def record(self, transaction: Transaction, place: Place, status: TxStatus, why: str = "", *, fee: int = 0) -> None:
        """Write a transaction down as the latest that came."""
        self._connection.execute(
            "REPLACE INTO tx (txid, raw, place, status, extra, fee, received) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (bytes.fromhex(transaction.txid), transaction.raw, place, status, why, fee, self._now),
        )

    def restore(self, txid: Txid) -> None:
        """Take back what was in a block that has become stale, and say so, as ARC does: first stale, then seen again."""
        for status, why in (
            (TxStatus.MINED_IN_STALE_BLOCK, ""),
            (TxStatus.SEEN_ON_NETWORK, "was mined in a block that is stale now"),
        ):
            self._connection.execute(
                """
                UPDATE tx SET place = 'pool', status = ?, extra = ?, received = ?, height = NULL, position = NULL
                WHERE txid = ?
                """,
                (status, why, self._now, bytes.fromhex(txid)),
            )
            self._tell(txid)

    def vanish(self, coinbase: Txid) -> None:
        """Forget the coinbase of a stale block; nothing has spent it, because it was not mature."""
        transaction = self.stored(coinbase)
        self._release(transaction)
        self.set_aside(transaction, Place.LOST, TxStatus.MINED_IN_STALE_BLOCK, "")

    def pit(self, one: Txid, other: Txid) -> None:
        """Note that two transactions spend the same."""
        pair = (bytes.fromhex(one), bytes.fromhex(other))
        self._connection.executemany("INSERT OR IGNORE INTO rival VALUES (?, ?)", [pair, pair[::-1]])

    def set_aside(self, transaction: Transaction, place: Place, status: TxStatus, why: str) -> None:
        """Write down a transaction that is neither in the pool nor on the chain."""
        self.record(transaction, place, status, why)
        self._tell(transaction.txid)

    def settle(self) -> None:
        """Reject those that lost against a transaction that is mined by now."""
        rows = self._connection.execute(
            """
            SELECT txid FROM tx WHERE status = 'DOUBLE_SPEND_ATTEMPTED' AND place = 'lost' AND EXISTS (
                SELECT 1 FROM rival JOIN tx AS winner ON winner.txid = rival.other
                WHERE rival.txid = tx.txid AND winner.place = 'chain')
            """
        ).fetchall()
        for (key,) in rows:
            self._connection.execute(
                "UPDATE tx SET status = ?, extra = 'double spend attempted' WHERE txid = ?", (TxStatus.REJECTED, key)
            )
            self._tell(Txid(key.hex()))

    def _admit(self, transaction: Transaction, spent: Sequence[TxOutput] | None) -> None:
        check_form(transaction)
        sources = [self._source(spending.outpoint.txid, spending.outpoint.vout) for spending in transaction.inputs]
        if None in sources and spent is None:
            raise refusal(ArcError.TX_FORMAT, "a transaction that it spends is not known")
        outputs = [source.output if source else (spent or ())[index] for index, source in enumerate(sources)]
        fee = check_spending(transaction, outputs, self._rate)
        rivals = {source.spender for source in sources if source and source.spender}
        if rivals:
            self._contest(transaction, rivals)
        elif None in sources:
            inputs = zip(transaction.inputs, sources, strict=True)
            self._park(transaction, [spending.outpoint.txid for spending, source in inputs if not source])
        elif why := self._untimely(transaction):
            self.set_aside(transaction, Place.LOST, TxStatus.REJECTED, why)
        else:
            self._accept(transaction, fee)

    def _accept(self, transaction: Transaction, fee: Satoshis) -> None:
        self.record(transaction, Place.POOL, TxStatus.SEEN_ON_NETWORK, fee=fee)
        self.keep(transaction)
        self._spend(transaction, bytes.fromhex(transaction.txid))
        self._connection.execute("DELETE FROM missing WHERE orphan = ?", (bytes.fromhex(transaction.txid),))
        self._tell(transaction.txid)

    def _contest(self, transaction: Transaction, rivals: Iterable[Txid]) -> None:
        """Both sides of a conflict are told of it, as ARC does; the first one stays."""
        again = self._status(transaction.txid) is TxStatus.REJECTED
        mined = [rival for rival in rivals if self._place(rival) is Place.CHAIN]
        status = TxStatus.REJECTED if again and mined else TxStatus.DOUBLE_SPEND_ATTEMPTED
        for rival in rivals:
            self.pit(transaction.txid, rival)
            cursor = self._connection.execute(
                "UPDATE tx SET status = ? WHERE txid = ? AND place = 'pool' AND status = ?",
                (TxStatus.DOUBLE_SPEND_ATTEMPTED, bytes.fromhex(rival), TxStatus.SEEN_ON_NETWORK),
            )
            if cursor.rowcount:
                self._tell(rival)
        self.set_aside(transaction, Place.LOST, status, "double spend attempted")

    def _park(self, transaction: Transaction, parents: Iterable[Txid]) -> None:
        key = bytes.fromhex(transaction.txid)
        absent = {spending.outpoint.txid for spending in transaction.inputs} & set(parents)
        self._connection.executemany(
            "INSERT OR IGNORE INTO missing VALUES (?, ?)", [(bytes.fromhex(parent), key) for parent in absent]
        )
        self.set_aside(transaction, Place.ORPHAN, TxStatus.SEEN_IN_ORPHAN_MEMPOOL, "missing inputs")

    def _freed_by(self, parent: Txid) -> list[Transaction]:
        """The orphans that waited for this parent, if it is here now, and wait for nothing else."""
        if self._place(parent) not in _ACTIVE:
            return []
        key = bytes.fromhex(parent)
        orphans = self._connection.execute("SELECT orphan FROM missing WHERE parent = ?", (key,)).fetchall()
        self._connection.execute("DELETE FROM missing WHERE parent = ?", (key,))
        still = "SELECT 1 FROM missing WHERE orphan = ?"
        return [
            self.stored(Txid(row[0].hex())) for row in orphans if not self._connection.execute(still, row).fetchone()
        ]

    def _descendants(self, txid: Txid) -> list[Txid]:
        """The transaction and everything in the pool that came of it."""
        found, seen = [txid], {txid}
        for each in found:  # grows while it is walked
            rows = self._connection.execute(
                "SELECT DISTINCT spender FROM output WHERE txid = ? AND spender IS NOT NULL", (bytes.fromhex(each),)
            )
            children = {Txid(row[0].hex()) for row in rows} - seen
            found += sorted(children)
            seen |= children
        return found

    def _release(self, transaction: Transaction) -> None:
        """Undo what acceptance did to outputs."""
        self._spend(transaction, None)
        self._connection.execute("DELETE FROM output WHERE txid = ?", (bytes.fromhex(transaction.txid),))

    def _spend(self, transaction: Transaction, spender: bytes | None) -> None:
        self._connection.executemany(
            "UPDATE output SET spender = ? WHERE txid = ? AND vout = ?",
            [(spender, bytes.fromhex(s.outpoint.txid), s.outpoint.vout) for s in transaction.inputs],
        )

    def _untimely(self, transaction: Transaction) -> str:
        """Why the next block could not have it, or nothing."""
        height = self._branch.height() + 1
        if not is_final(transaction, height=height, median_time=median_time(self._branch.times())):
            return "non-final transaction"
        for spending in transaction.inputs:
            row = self._connection.execute(
                "SELECT height FROM tx WHERE txid = ? AND place = 'chain' AND position = 0",
                (bytes.fromhex(spending.outpoint.txid),),
            ).fetchone()
            if row and 1 < row[0] > height - MATURITY:
                return "premature spend of a coinbase"
        return ""

    def _source(self, txid: Txid, vout: int) -> _Source | None:
        row = self._connection.execute(
            "SELECT satoshis, locking, spender FROM output WHERE txid = ? AND vout = ?", (bytes.fromhex(txid), vout)
        ).fetchone()
        if row is None:
            return None
        return _Source(TxOutput(Satoshis(row[0]), row[1]), Txid(row[2].hex()) if row[2] else None)

    def _place(self, txid: Txid) -> Place | None:
        row = self._connection.execute("SELECT place FROM tx WHERE txid = ?", (bytes.fromhex(txid),)).fetchone()
        return None if row is None else Place(row[0])

    def _status(self, txid: Txid) -> TxStatus | None:
        row = self._connection.execute("SELECT status FROM tx WHERE txid = ?", (bytes.fromhex(txid),)).fetchone()
        return None if row is None else TxStatus(row[0])
