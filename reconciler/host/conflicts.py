"""Two transactions, one coin: both are kept, one is shown, and the chain decides (PROTOCOL §4).

First seen is shown until a proof arrives. A proof settles it: what conflicts with the proven transaction is evicted with all
its descendants, and what was shadowed only by those is shown again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Outpoint, Txid
from reconciler.store.host_transactions import BlockProof, HostTransaction, HostTransactions, coins_of
from reconciler.wire.transaction import Transaction

Arriving: TypeAlias = tuple[Transaction, BlockProof | None]
"""A transaction, and where it is proven to be."""


class Conflicts:
    """Takes transactions and proofs in, and keeps track of who is shown."""

    def __init__(self, transactions: HostTransactions) -> None:
        self._transactions = transactions

    async def take(self, *arriving: Arriving) -> frozenset[Txid]:
        """Take up verified transactions, parents first; unproven parents that are not among them were taken up before.

        Gives those that were not known yet.

        Raises VerificationError where a proven transaction spends a coin of one that is not proven itself.
        """
        new, changes = await self._sorted(arriving)
        if changes:
            for transaction, proof in arriving:
                await self._take(transaction, proof)
        else:
            await self._transactions.add(*new, shadowed=False)
        return frozenset(transaction.txid for transaction, _ in new)

    async def _sorted(self, arriving: Sequence[Arriving]) -> tuple[list[Arriving], bool]:
        """Those that are new; and whether there is anything to decide: a rival, a shadow, a proof that was not known."""
        coins = {transaction.txid: coins_of(transaction) for transaction, _ in arriving}
        involved = {*coins, *(coin.txid for spent in coins.values() for coin in spent)}
        known = await self._transactions.get(involved)
        new = [each for each in arriving if each[0].txid not in known]
        spent = [coin for transaction, _ in new for coin in coins[transaction.txid]]
        proofs = {transaction.txid: proof for transaction, proof in arriving if proof is not None}
        changes = (
            any(each.shadowed or each.proof != proofs.get(txid, each.proof) for txid, each in known.items())
            or len(set(spent)) < len(spent)
            or await self._transactions.are_contested(spent)
        )
        return new, changes

    async def _take(self, transaction: Transaction, proof: BlockProof | None) -> None:
        txid = transaction.txid
        known = (await self._transactions.get([txid])).get(txid)
        if known is None:
            shadowed = proof is None and await self._is_shadowed(txid, coins_of(transaction), refuse=True)
            await self._transactions.add((transaction, proof), shadowed=shadowed)
        if proof is not None and (known is None or known.proof != proof):
            await self.prove(txid, proof)

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
