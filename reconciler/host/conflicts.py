"""Two transactions, one coin: both are kept, one is shown, and the chain decides (PROTOCOL §4).

First seen is shown until a proof arrives. A proof settles it: what conflicts with the proven transaction is evicted with all
its descendants, and what was shadowed only by those is shown again.
"""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Outpoint, Txid
from reconciler.store.outputs import BlockProof, HostTransaction, HostTransactions
from reconciler.wire.transaction import Transaction


class Conflicts:
    """Takes transactions and proofs in, and keeps track of who is shown."""

    def __init__(self, transactions: HostTransactions) -> None:
        self._transactions = transactions

    async def take(self, transaction: Transaction, proof: BlockProof | None) -> bool:
        """Take up a verified transaction; its unproven parents must have been taken up before. Whether it was not known yet.

        Raises VerificationError where a proven transaction spends one of its coins, and it is not proven itself.
        """
        txid = transaction.txid
        known = (await self._transactions.get([txid])).get(txid)
        if known is None:
            spends = [spent.outpoint for spent in transaction.inputs]
            shadowed = proof is None and await self._is_shadowed(txid, spends, refuse=True)
            await self._transactions.add(transaction, shadowed=shadowed, proof=proof)
        if proof is not None and (known is None or known.proof != proof):
            await self.prove(txid, proof)
        return known is None

    async def prove(self, txid: Txid, proof: BlockProof) -> None:
        """Record a proof that was checked against the chain, and draw the conclusions."""
        await self._transactions.prove(txid, proof)
        winners = await self._with_shadowed_ancestors(txid)
        losers: dict[Txid, HostTransaction] = {}
        for winner in winners:
            rivals = await self._transactions.rivals(winner, await self._transactions.spends(winner))
            losers.update({rival.txid: rival for rival in rivals})
        contested = await self._evict_with_descendants(losers)
        for winner in winners:
            await self._transactions.shadow(winner, shadowed=False)
        if contested or len(winners) > 1:
            spenders = await self._transactions.rivals(txid, contested)
            await self._show_again([*spenders, *await self._transactions.children(winners)])

    async def _with_shadowed_ancestors(self, txid: Txid) -> tuple[Txid, ...]:
        """What is mined has mined parents, whatever else their coins were promised to."""
        found = [txid]
        for winner in found:  # grows while it is read
            parents = {outpoint.txid for outpoint in await self._transactions.spends(winner)}
            known = await self._transactions.get(parents - set(found))
            found += [parent.txid for parent in known.values() if parent.shadowed]
        return tuple(found)

    async def _evict_with_descendants(self, losers: Iterable[Txid]) -> set[Outpoint]:
        """Returns the coins that nobody of the evicted spends any more."""
        evicted = list(losers)
        freed: set[Outpoint] = set()
        for txid in evicted:  # grows while it is read
            freed.update(await self._transactions.spends(txid))
            children = await self._transactions.children([txid])
            evicted += [child.txid for child in children if child.txid not in evicted]
        await self._transactions.evict(evicted)
        return freed

    async def _show_again(self, candidates: list[HostTransaction]) -> None:
        for candidate in candidates:  # grows while it is read
            if not candidate.shadowed:
                continue
            spends = await self._transactions.spends(candidate.txid)
            if not await self._is_shadowed(candidate.txid, spends):
                await self._transactions.shadow(candidate.txid, shadowed=False)
                candidates += await self._transactions.children([candidate.txid])

    async def _is_shadowed(self, txid: Txid, spends: Iterable[Outpoint], *, refuse: bool = False) -> bool:
        coins = tuple(spends)
        rivals = await self._transactions.rivals(txid, coins)
        mined = next((rival for rival in rivals if rival.proof is not None), None)
        if refuse and mined is not None:
            raise VerificationError(f"a coin of {txid} is spent by {mined.txid}, which is mined")
        parents = await self._transactions.get({coin.txid for coin in coins})
        return any(not rival.shadowed for rival in rivals) or any(parent.shadowed for parent in parents.values())
