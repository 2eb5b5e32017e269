"""Who won a contest for coins. Only a mined spend of one of them makes a transaction of ours void (PROTOCOL §4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reconciler.model.errors import RefusedError, TransientError
from reconciler.model.ids import Txid
from reconciler.wire.arc import TxReport
from reconciler.wire.beef import Beef
from reconciler.wire.merkle import MerklePath
from reconciler.wire.transaction import Transaction


class Proofs(Protocol):
    """The headers, as far as apply needs them."""

    async def proven(self, path: MerklePath, txid: Txid) -> bool:
        """Whether the path leads from the transaction to a header of the chain."""
        ...


class Index(Protocol):
    """Whoever gives out transactions by id."""

    async def beef(self, named: Txid) -> Beef:
        """A transaction with its proof, or its ancestry back to proofs. Raises UnreachableError, RefusedError."""
        ...


@dataclass(frozen=True, slots=True)
class Judge:
    """Finds the winner, and believes nothing that a header does not confirm."""

    proofs: Proofs
    index: Index

    async def winner(self, ours: Transaction, report: TxReport) -> Transaction | None:
        """The mined transaction among those that ARC calls competing which spends a coin that `ours` spends, if there is one.

        None as long as that is not certain.
        """
        for txid in report.competing:
            rival = await self._mined(txid)
            if rival is not None and not _coins(rival).isdisjoint(_coins(ours)):
                return rival
        return None

    async def _mined(self, txid: Txid) -> Transaction | None:
        try:
            beef = await self.index.beef(txid)
            path = beef.proof(txid)
            is_mined = path is not None and await self.proofs.proven(path, txid)
        except (TransientError, RefusedError):  # whoever cannot be asked leaves it undecided
            return None
        return beef.transactions[txid].transaction if is_mined else None


def _coins(transaction: Transaction) -> frozenset[object]:
    return frozenset(spent.outpoint for spent in transaction.inputs)
