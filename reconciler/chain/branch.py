"""The active branch of the embedded chain: its headers, what is in its blocks, adding a block, taking one away."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.chain.blocks import BlockHeader, next_header, parse_header
from reconciler.model.errors import StateError, VerificationError
from reconciler.model.ids import Digest, Txid
from reconciler.wire.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Block:
    """A header and its height."""

    header: BlockHeader
    height: int


class Branch:
    """Blocks, in the transaction of `connection`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def height(self) -> int:
        """Of the tip."""
        height: int = self._connection.execute("SELECT max(height) FROM block WHERE active").fetchone()[0]
        return height

    def at(self, height: int) -> Block | None:
        """The active block at a height. Raises StateError where the file holds something else than a chain."""
        row = self._connection.execute(
            "SELECT hash, header FROM block WHERE active AND height = ?", (height,)
        ).fetchone()
        if row is None:
            return None
        try:
            header = parse_header(row[1])
        except VerificationError as error:
            raise StateError(f"block {height} of the embedded chain is damaged: {error.message}") from error
        if header.hash != row[0].hex() or not self._follows(header, height):
            raise StateError(f"block {height} of the embedded chain does not follow the one before it")
        return Block(header, height)

    def tip(self) -> Block:
        """The highest active block."""
        return self._present(self.height())

    def height_of(self, block: Digest) -> int | None:
        """The height of an active block, by its hash."""
        row = self._connection.execute(
            "SELECT height FROM block WHERE active AND hash = ?", (bytes.fromhex(block),)
        ).fetchone()
        return None if row is None else int(row[0])

    def times(self) -> tuple[int, ...]:
        """The times of the last eleven blocks, oldest first."""
        rows = self._connection.execute(
            "SELECT header FROM block WHERE active ORDER BY height DESC LIMIT 11"
        ).fetchall()
        return tuple(parse_header(row[0]).time for row in reversed(rows))

    def transactions(self, height: int) -> tuple[Txid, ...]:
        """The ids of a block's transactions, in order."""
        rows = self._connection.execute(
            "SELECT txid FROM tx WHERE place = 'chain' AND height = ? ORDER BY position", (height,)
        )
        return tuple(Txid(row[0].hex()) for row in rows)

    def extend(self, coinbase: Transaction, txids: Sequence[Txid], *, now: int) -> Block:
        """Mine a block of a coinbase and transactions of the pool on top of the tip."""
        parent = self.tip()
        header = next_header(parent.header, (coinbase.txid, *txids), times=self.times(), now=now)
        self.append(Block(header, parent.height + 1))
        return Block(header, parent.height + 1)

    def append(self, block: Block) -> None:
        """Write down a block that has been worked for."""
        self._connection.execute(
            "INSERT INTO block (hash, height, header, active) VALUES (?, ?, ?, 1)",
            (bytes.fromhex(block.header.hash), block.height, block.header.to_bytes()),
        )

    def retract(self) -> None:
        """Take the tip off the active branch; its header stays as a stale one."""
        self._connection.execute("UPDATE block SET active = 0 WHERE active AND height = ?", (self.height(),))

    def _follows(self, header: BlockHeader, height: int) -> bool:
        if height == 0:
            return True
        query = "SELECT hash FROM block WHERE active AND height = ?"
        row = self._connection.execute(query, (height - 1,)).fetchone()
        return row is not None and header.previous == row[0].hex()

    def _present(self, height: int) -> Block:
        block = self.at(height)
        if block is None:
            raise StateError(f"the embedded chain has no block {height}")
        return block
