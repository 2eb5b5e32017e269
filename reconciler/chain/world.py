"""The pieces of the embedded chain in one database transaction, wired to one another, and what they do only together."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from reconciler.chain.blocks import ANYONE, GENESIS, GENESIS_COINBASE, MATURITY
from reconciler.chain.branch import Block, Branch
from reconciler.chain.evidence import Evidence
from reconciler.chain.miner import Miner
from reconciler.chain.notices import Notices
from reconciler.chain.pool import Place, Pool
from reconciler.chain.rules import refusal
from reconciler.model.amounts import FeeRate, Satoshis
from reconciler.model.errors import StateError
from reconciler.model.ids import Digest, Outpoint, Txid
from reconciler.wire.arc import ArcError, Callback, TxReport, TxStatus
from reconciler.wire.transaction import Transaction, TxInput, TxOutput


@dataclass(frozen=True, slots=True)
class Funding:
    """Money out of the faucet, proven."""

    outpoint: Outpoint
    beef: bytes
    """Atomic."""


@dataclass(frozen=True, slots=True)
class Unspent:
    """An output that nothing in pool or chain spends."""

    outpoint: Outpoint
    satoshis: Satoshis
    height: int | None
    """None: not mined yet."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The world at a glance."""

    network_id: Digest
    """The hash of block 1."""
    height: int
    tip: Digest
    waiting: int
    """Transactions in the mempool."""
    block_time: float
    """Seconds until a transaction is mined; 0: by hand."""


class World:
    """The pieces of the chain in one transaction, wired to one another."""

    def __init__(
        self, connection: sqlite3.Connection, *, now: float, randomness: Callable[[int], bytes], rate: FeeRate
    ) -> None:
        self.connection = connection
        self.rate = rate
        self.branch = Branch(connection)
        self.evidence = Evidence(connection)
        self.notices = Notices(connection, now)
        self.pool = Pool(connection, now=now, rate=rate, tell=self._tell)
        self.miner = Miner(connection, self.pool, now=now, randomness=randomness, tell=self._tell)

    def begin(self) -> None:
        """Write genesis and block 1, whose coinbase is the faucet's reserve."""
        self.branch.append(Block(GENESIS, 0))
        self.pool.record(GENESIS_COINBASE, Place.CHAIN, TxStatus.MINED)
        self.connection.execute("UPDATE tx SET height = 0, position = 0")
        self.miner.mine()

    def report(self, txid: Txid) -> TxReport:
        """The report about a transaction that is known to have come."""
        report = self.evidence.report(txid)
        if report is None:
            raise StateError(f"the embedded chain has lost the transaction {txid}")
        return report

    def submit(self, submitted: Transaction, spent: Sequence[TxOutput] | None, callback: Callback | None) -> TxReport:
        """Take a transaction and note who wants to know of it."""
        known = self.evidence.report(submitted.txid)
        news = callback is not None and self.notices.subscribe(submitted.txid, callback)
        self.pool.submit(submitted, spent)
        report = self.report(submitted.txid)
        if news and known == report:  # else the change of status has told it already
            self.notices.announce(report, only=callback)
        return report

    def fund(self, locking: bytes, satoshis: Satoshis) -> Funding:
        """Pay out of the reserve and mine that at once, alone with its ancestors."""
        reserve = self._reserve()
        paid = TxOutput(satoshis, locking)

        def draft(change: int) -> Transaction:
            kept = TxOutput(Satoshis(change), ANYONE)
            return Transaction((TxInput(reserve.outpoint),), (paid, kept))

        change = reserve.satoshis - satoshis - self.rate.fee(len(draft(0).raw))
        if satoshis < 1 or change < 1:
            raise refusal(
                ArcError.BAD_REQUEST, f"the faucet gives 1 to {reserve.satoshis:,} satoshis, not {satoshis:,}"
            )
        payment = draft(change)
        self.pool.submit(payment)
        self.miner.mine(self.pool.lineage(payment.txid))
        return Funding(payment.outpoint(0), self.evidence.beef(payment.txid).to_atomic(payment.txid))

    def unspent(self, locking: bytes) -> tuple[Unspent, ...]:
        """The unspent outputs with this locking script, oldest first."""
        rows = self.connection.execute(
            """
            SELECT output.txid, vout, satoshis, height FROM output JOIN tx ON tx.txid = output.txid
            WHERE locking_hash = ? AND spender IS NULL ORDER BY arrival, vout
            """,
            (sha256(locking).digest(),),
        )
        return tuple(Unspent(Outpoint(Txid(row[0].hex()), row[1]), Satoshis(row[2]), row[3]) for row in rows)

    def spender(self, outpoint: Outpoint) -> Txid | None:
        """What spends an output, in pool or chain."""
        key = (bytes.fromhex(outpoint.txid), outpoint.vout)
        row = self.connection.execute("SELECT spender FROM output WHERE txid = ? AND vout = ?", key).fetchone()
        return None if row is None or row[0] is None else Txid(row[0].hex())

    def overview(self, block_time: float) -> Overview:
        """See Overview."""
        tip, first = self.branch.tip(), self.branch.at(1)
        if first is None:
            raise StateError("the embedded chain has no block 1")
        return Overview(first.header.hash, tip.height, tip.header.hash, len(self.pool.waiting()), block_time)

    def _reserve(self) -> Unspent:
        """The largest coin that anyone may spend now."""
        newest = self.branch.height() + 1 - MATURITY
        ripe = (
            coin
            for coin in self.unspent(ANYONE)
            # output 0 is a coinbase's, output 1 the faucet's own change
            if coin.outpoint.vout == 1 or coin.height == 1 or (coin.height or 0) <= newest
        )
        return max(ripe, key=lambda coin: coin.satoshis)

    def _tell(self, txid: Txid) -> None:
        if self.notices.wanted(txid):
            self.notices.announce(self.report(txid))
