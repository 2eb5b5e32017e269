"""How an answer carries history (BRC-64): from each output back to the transactions of its former renditions.

The reference's Historian goes from a transaction to those that its inputs spend, as far as the BEEF links them; and where a
Merkle path proves a transaction the SDK links no further. So the proofs of what is gone through are left out, and those of
what comes before are put in. The answer stands up to SPV as ever, it only leans on older blocks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain, pairwise, zip_longest
from typing import Final

from reconciler.model.errors import StateError
from reconciler.model.ids import Txid
from reconciler.store.transactions import Transactions
from reconciler.wire.beef import Beef, merge, unproven

MAX_BYTES: Final = 2 * 1024 * 1024
"""Of transactions that an answer may gain by history; the newest come first."""


async def linked(stored: Transactions, beef: Beef, lines: Sequence[Sequence[Txid]]) -> Beef:
    """The BEEF of an answer, extended along lines of descent, each from an answer's transaction back, newest first.

    A line ends before its time where the host has not what lies before a transaction, or the limit is reached.
    """
    links = _Links(stored, beef)
    for child, parent in _steps(lines):
        if child in links.transactions and not await links.open(child, parent):
            break
    return await links.beef()


class _Links:
    """Transactions that are gone through, and what lies before each."""

    def __init__(self, stored: Transactions, beef: Beef) -> None:
        self._stored = stored
        self._room = MAX_BYTES
        self._beefs = [beef]
        self._opened: set[Txid] = set()
        self.transactions = set(beef.transactions)

    async def open(self, txid: Txid, parent: Txid | None = None) -> bool:
        """Go through a transaction that is here already. False where there is no room for what lies before it."""
        if txid in self._opened:
            return True
        before = await self._before(txid)
        if before is None or (parent is not None and parent not in before.transactions):
            return True  # its line ends here, others may go on
        fresh = before.transactions.keys() - self.transactions
        size = sum(len(before.transactions[each].transaction.raw) for each in fresh)
        if size > self._room:
            return False
        self._room -= size
        self._beefs.append(before)
        self._opened.add(txid)
        self.transactions |= fresh
        return True

    async def beef(self) -> Beef:
        """All of it.

        The SDK takes every transaction that stands in a Merkle path for proven, a neighbour's path included: such neighbours
        are gone through as well, where possible.
        """
        while True:
            whole = unproven(merge(self._beefs), self._opened)
            opened = len(self._opened)
            for neighbour in _neighbours(whole, self._opened):
                await self.open(neighbour)
            if len(self._opened) == opened:
                return whole

    async def _before(self, txid: Txid) -> Beef | None:
        transaction = next(beef.transactions[txid] for beef in self._beefs if txid in beef.transactions)
        try:
            return await self._stored.beef(transaction.parents)
        except StateError:  # what a block proves may have come here without what it spends
            return None


def _steps(lines: Sequence[Sequence[Txid]]) -> Iterator[tuple[Txid, Txid]]:
    """From each transaction to the one before it, on all lines, the newest first."""
    return chain.from_iterable(
        (step for step in level if step is not None) for level in zip_longest(*map(pairwise, lines))
    )


def _neighbours(beef: Beef, opened: Collection[Txid]) -> Iterator[Txid]:
    crowded = {index for index, bump in enumerate(beef.bumps) if any(bump.proves(txid) for txid in opened)}
    return (txid for txid, entry in beef.transactions.items() if entry.bump in crowded)
