"""What may happen on the chain while an apply is under way: reorgs, double spends, and applies of another machine."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

from reconciler.chain.ledger import Ledger
from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Txid
from reconciler.model.keys import FUNDING_KEY, KeyRef, batch_key, change_key, purse_key, sweep_key
from reconciler.wallet.keys import Keys
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import Transaction, TxOutput
from tests.faults.catalogue import Fault

_BURNT = b"\x51"
_FEE = 1_000


class Deeds:
    """The chain's side of the catalogue. Each says whether it came off."""

    def __init__(self, ledger: Ledger, keys: Keys, elsewhere: Callable[[], Awaitable[bool]]) -> None:
        self._ledger = ledger
        self._keys = keys
        self._elsewhere = elsewhere
        self._chance = random.Random(keys.identity)

    async def do(self, fault: Fault) -> bool:
        """Do what `fault` says."""
        match fault:
            case Fault.REORG:
                return await self._reorg(again=True)
            case Fault.REORG_TO_POOL:
                return await self._reorg(again=False)
            case Fault.FORGOTTEN:
                return await self._forget()
            case Fault.DOUBLE_SPEND:
                return await self._double_spend()
            case Fault.RIVAL:
                return await self._elsewhere()
            case Fault.RIVAL_MINED:
                came_off = await self._elsewhere()
                await self._ledger.mine()
                return came_off
        raise AssertionError(f"nobody knows how to do {fault}")

    async def _reorg(self, *, again: bool) -> bool:
        await self._ledger.mine()
        depth = min(self._chance.randint(1, 4), await self._ledger.height() - 2)
        if depth < 1:
            return False
        await self._ledger.reorg(depth, again=again)
        return True

    async def _forget(self) -> bool:
        """A block goes, and the network forgets our newest transaction that was in it; nobody else spends its coins."""
        ours = await self._ours()
        if not ours:
            return False
        newest = ours[-1]
        await self._ledger.mine()
        report = await self._ledger.status(newest.txid)
        if report is None or report.block_height is None:
            return False
        depth = await self._ledger.height() - report.block_height + 1
        await self._ledger.reorg(depth, drop=[newest.txid])
        return True

    async def _double_spend(self) -> bool:
        """A miner takes another spend of a coin that a waiting transaction of ours spends; it pays to somebody else."""
        waiting = await self._ledger._run(lambda world: [world.pool.stored(txid) for txid in world.pool.waiting()])
        for transaction in reversed(waiting):
            coin = await self._money_of(transaction)
            if coin is not None:
                rival = signed([coin], [TxOutput(Satoshis(coin.output.satoshis - _FEE), _BURNT)], self._keys)
                await self._ledger.replace(transaction.txid, rival)
                return True
        return False

    async def _ours(self) -> list[Transaction]:
        """Our transactions in pool and chain, oldest first."""
        everything = await self._ledger._run(
            lambda world: [
                world.pool.stored(Txid(row[0].hex()))
                for row in world.connection.execute(
                    "SELECT txid FROM tx WHERE place IN ('pool', 'chain') ORDER BY arrival"
                )
            ]
        )
        return [each for each in everything if await self._money_of(each) is not None]

    async def _money_of(self, transaction: Transaction) -> Spendable | None:
        """A coin of ours that a transaction spends, big enough to be spent alone."""
        for spent in transaction.inputs:
            found = await self._ledger._run(lambda world, txid=spent.outpoint.txid: world.evidence.transaction(txid))
            if found is None or spent.outpoint.vout >= len(found.outputs):
                continue
            output, first = found.outputs[spent.outpoint.vout], str(found.inputs[0].outpoint) if found.inputs else ""
            makers = (change_key, purse_key, batch_key, sweep_key)
            keys: list[KeyRef] = [FUNDING_KEY, *(make(first, spent.outpoint.vout) for make in makers)]
            for key in keys:
                if output.locking == p2pkh(self._keys.public(key)) and output.satoshis > 2 * _FEE:
                    return Spendable(spent.outpoint, output, key, Lock.P2PKH)
        return None
