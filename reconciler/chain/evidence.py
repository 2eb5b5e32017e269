"""What the embedded chain can say of a transaction: its status, its proof, and a BEEF that convinces others."""

from __future__ import annotations

import sqlite3

from reconciler.chain.branch import Branch
from reconciler.model.errors import RefusedError, StateError
from reconciler.model.ids import Digest, Txid
from reconciler.wire.arc import TxReport, TxStatus
from reconciler.wire.beef import Beef, BeefTx
from reconciler.wire.merkle import MerklePath, path_of
from reconciler.wire.transaction import Transaction, parse_transaction


class Evidence:
    """Reads only, in the transaction of `connection`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._branch = Branch(connection)

    def transaction(self, txid: Txid) -> Transaction | None:
        """A transaction that the chain has seen, wherever it stands now."""
        query = "SELECT raw FROM tx WHERE txid = ?"
        row = self._connection.execute(query, (bytes.fromhex(txid),)).fetchone()
        return None if row is None else parse_transaction(row[0])

    def report(self, txid: Txid) -> TxReport | None:
        """Its status as ARC tells it; None for a transaction never heard of."""
        key = bytes.fromhex(txid)
        row = self._connection.execute("SELECT status, extra, height FROM tx WHERE txid = ?", (key,)).fetchone()
        if row is None:
            return None
        others = self._connection.execute("SELECT other FROM rival WHERE txid = ? ORDER BY other", (key,))
        path = self.path(txid)
        return TxReport(
            txid=txid,
            status=TxStatus(row[0]),
            merkle_path=path.to_bytes() if path else None,
            block_hash=self._block(row[2]) if path else None,
            block_height=path.height if path else None,
            extra_info=row[1],
            competing=tuple(Txid(other[0].hex()) for other in others),
        )

    def path(self, txid: Txid) -> MerklePath | None:
        """Its proof in the active branch; None while it has none."""
        place = self._in_block(txid)
        return None if place is None else path_of(self._branch.transactions(place[0]), (place[1],), place[0])

    def beef(self, txid: Txid) -> Beef:
        """The transaction with its ancestry back to proven transactions. Raises RefusedError (code 404) if unknown."""
        proofs: dict[int, list[int]] = {}
        found: dict[Txid, tuple[Transaction, int | None]] = {}
        for each in self._lineage(txid):
            place = self._in_block(each)
            found[each] = (self._known(each), None if place is None else place[0])
            if place:
                proofs.setdefault(place[0], []).append(place[1])
        heights = sorted(proofs)
        bumps = [path_of(self._branch.transactions(height), proofs[height], height) for height in heights]
        return Beef.of(
            bumps,
            (
                BeefTx(transaction, None if height is None else heights.index(height))
                for transaction, height in found.values()
            ),
        )

    def _lineage(self, txid: Txid) -> frozenset[Txid]:
        """The transaction with its ancestors up to the nearest proven ones."""
        found: set[Txid] = set()
        stack = [txid]
        while stack:
            current = stack.pop()
            if current not in found:
                found.add(current)
                if not self._in_block(current):
                    stack += (spending.outpoint.txid for spending in self._known(current).inputs)
        return frozenset(found)

    def _known(self, txid: Txid) -> Transaction:
        transaction = self.transaction(txid)
        if transaction is None:
            raise RefusedError(f"the embedded chain does not know the transaction {txid}", code="404")
        return transaction

    def _in_block(self, txid: Txid) -> tuple[int, int] | None:
        """Height and position."""
        query = "SELECT height, position FROM tx WHERE txid = ? AND place = 'chain'"
        row = self._connection.execute(query, (bytes.fromhex(txid),)).fetchone()
        return None if row is None else (row[0], row[1])

    def _block(self, height: int) -> Digest:
        block = self._branch.at(height)
        if block is None:
            raise StateError(f"the embedded chain has lost block {height}")
        return block.header.hash
