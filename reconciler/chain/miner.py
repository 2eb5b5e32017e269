"""Making blocks of the embedded chain, by the clock or by hand, and unmaking them: reorgs and replacements on demand."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from reconciler.chain.blocks import MATURITY, RESERVE, SUBSIDY, coinbase
from reconciler.chain.branch import Block, Branch
from reconciler.chain.pool import Place, Pool, Tell
from reconciler.chain.rules import refusal
from reconciler.model.ids import Outpoint, Txid
from reconciler.wire.arc import ArcError, TxStatus
from reconciler.wire.transaction import Transaction

_SALT: Final = 16


class Miner:
    """Changes blocks and pool together, in the transaction of `connection`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        pool: Pool,
        *,
        now: float,
        randomness: Callable[[int], bytes],
        tell: Tell,
    ) -> None:
        self._connection = connection
        self._branch = Branch(connection)
        self._pool = pool
        self._now = now
        self._randomness = randomness
        self._tell = tell

    def mine(self, txids: Sequence[Txid] | None = None) -> Block:
        """One block of these transactions of the pool, ancestors first, or of all of them."""
        chosen = self._pool.waiting() if txids is None else txids
        height = self._branch.height() + 1
        reward = RESERVE if height == 1 else SUBSIDY + self._fees(chosen)
        first = coinbase(height, reward, self._randomness(_SALT))
        block = self._branch.extend(first, chosen, now=int(self._now))
        self._pool.record(first, Place.CHAIN, TxStatus.MINED)
        self._pool.keep(first)
        for position, txid in enumerate((first.txid, *chosen)):
            self._connection.execute(
                """
                UPDATE tx SET place = 'chain', status = 'MINED', height = ?, position = ?,
                    extra = CASE status WHEN 'DOUBLE_SPEND_ATTEMPTED' THEN 'double spend attempted' ELSE '' END
                WHERE txid = ?
                """,
                (block.height, position, bytes.fromhex(txid)),
            )
            self._tell(txid)
        self._pool.settle()
        return block

    def mine_if_due(self, block_time: float) -> None:
        """One block of everything, if something has waited for `block_time` seconds; 0 never mines."""
        oldest = self._pool.oldest() if block_time else None
        if oldest is not None and oldest + block_time <= self._now:
            self.mine()

    def reorg(
        self, depth: int, *, drop: Iterable[Txid] = (), instead: Iterable[Transaction] = (), again: bool = False
    ) -> tuple[Block, ...]:
        """Replace the last `depth` blocks by `depth` + 1 others.

        What was in them goes back to the pool, except `drop`, which is forgotten by the network; `instead` comes in and is
        mined in the first new block, and with `again` so is the pool. Raises RefusedError for what cannot be.
        """
        if not 1 <= depth < min(MATURITY, self._branch.height()):
            raise refusal(
                ArcError.BAD_REQUEST, f"a reorg of {depth} blocks is not possible at height {self._branch.height()}"
            )
        for _ in range(depth):
            self._disconnect()
        for txid in drop:
            self._pool.evict(txid, TxStatus.MINED_IN_STALE_BLOCK, "dropped in a reorg")
        replacing = self._take(instead)
        first = self.mine(None if again else replacing)
        return (first, *(self.mine(()) for _ in range(depth)))

    def replace(self, loser: Txid, winner: Transaction) -> Block:
        """Mine `winner` in place of a transaction of the pool that spends the same. Raises RefusedError."""
        if self._outpoints(winner).isdisjoint(self._outpoints(self._pool.stored(loser))):
            raise refusal(ArcError.BAD_REQUEST, "the two transactions do not conflict")
        self._pool.evict(loser, TxStatus.DOUBLE_SPEND_ATTEMPTED, "double spend attempted")
        self._pool.pit(loser, winner.txid)
        return self.mine(self._take((winner,)))

    def _take(self, transactions: Iterable[Transaction]) -> list[Txid]:
        """Bring transactions into the pool; returns them with their ancestors there, parents before children."""
        taken: dict[Txid, None] = {}
        for transaction in transactions:
            self._pool.submit(transaction)
            lineage = self._pool.lineage(transaction.txid)
            if not lineage:
                raise refusal(ArcError.CONFLICT, f"the transaction {transaction.txid} cannot be mined here")
            taken.update(dict.fromkeys(lineage))
        return list(taken)

    def _disconnect(self) -> None:
        """Take the tip away; its transactions wait in the pool again, its coinbase is gone."""
        first, *others = self._branch.transactions(self._branch.height())
        self._branch.retract()
        self._pool.vanish(first)
        for txid in others:
            self._pool.restore(txid)

    def _fees(self, txids: Iterable[Txid]) -> int:
        query = "SELECT fee FROM tx WHERE txid = ?"
        return sum(self._connection.execute(query, (bytes.fromhex(txid),)).fetchone()[0] for txid in txids)

    @staticmethod
    def _outpoints(transaction: Transaction) -> set[Outpoint]:
        return {spending.outpoint for spending in transaction.inputs}
