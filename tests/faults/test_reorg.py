"""A reorg takes proofs away, and sometimes more: the next apply notices, and goes on from what is true now."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from reconciler.apply.build import spendable
from reconciler.cli.wiring import keys_of
from reconciler.model.ids import Network
from reconciler.model.journal import JournalState
from reconciler.plan.options import PlanOptions
from reconciler.store.coins import Coins
from reconciler.store.journal import Journal
from reconciler.wallet.signing import signed
from reconciler.wire.transaction import Transaction, TxOutput


async def _entries(producer: Any) -> list[Any]:
    async with producer.site() as site, site.database.begin() as connection:
        return list(reversed(await Journal(connection).list(10)))


async def test_proofs_that_a_reorg_took_are_forgotten_and_the_next_apply_goes_on(producer):
    await producer.apply()
    async with producer.site() as site:
        await site.toy.ledger.mine()
    assert (await producer.audit()).balance.pending == 0
    async with producer.site() as site:
        site.toy.ledger.block_time = 0
        await site.toy.ledger.reorg(2)  # the faucet's block and ours
        producer.write(title="After the reorg")
        finished = await producer.apply()
    assert finished.applied.generation == 2
    assert not any(finished.applied.missing.values())
    audited = await producer.audit()
    assert audited.differences == ()
    assert (await producer.plan()).plan.is_empty


async def test_an_apply_that_lost_after_it_was_seen_is_taken_back_with_all_that_was_built_upon_it(producer):
    """A miner takes the other side of a double spend: here, one that burns the producer's first coin."""
    await producer.apply()
    first = (await _entries(producer))[0]
    producer.write(title="Built upon it")
    await producer.apply()
    async with producer.site() as site:
        rival = await _rival(site, producer, first.txids[0])
        await site.toy.ledger.mine()
        mined_at = (await site.toy.ledger.status(first.txids[0])).block_height
        depth = await site.toy.ledger.height() - mined_at + 1
        await site.toy.ledger.reorg(depth, drop=[first.txids[0]], instead=[rival])
    producer.write(title="Once more")

    finished = await producer.apply()

    states = [entry.state for entry in await _entries(producer)]
    assert states.count(JournalState.VOID) == 2
    assert finished.applied.generation == 1
    audited = await producer.audit()
    assert audited.differences == ()
    assert audited.balance.locked == 0
    assert (await producer.plan()).plan.is_empty


async def test_records_of_what_lost_are_passed_over_though_a_host_still_shows_them(producer):
    """Nobody has told the host who won; it shows the old record beside the new one of the same name."""
    await producer.apply()
    first = (await _entries(producer))[0]
    async with producer.site() as site:
        rival = await _rival(site, producer, first.txids[0])
        await site.toy.ledger.mine()
        mined_at = (await site.toy.ledger.status(first.txids[0])).block_height
        depth = await site.toy.ledger.height() - mined_at + 1
        await site.toy.ledger.reorg(depth, drop=[first.txids[0]], instead=[rival])
    assert (await producer.apply()).applied.generation == 1
    async with producer.site() as site, site.database.begin() as connection:
        await connection.execute(text("delete from published_records"))  # so that they are read from the host
    await producer.apply()
    assert (await producer.plan()).plan.is_empty
    assert (await producer.audit()).differences == ()


async def _rival(site: Any, producer: Any, ours: Any) -> Transaction:
    """A transaction that spends the first coin of ours to somebody else."""
    keys = keys_of(producer.invocation, Network.EMBEDDED, create=False)
    async with site.database.begin() as connection:
        coins = [coin for coin in await Coins(connection).all() if coin.spent_by == ours]
    coin = spendable(coins[0])
    return signed([coin], [TxOutput(coin.output.satoshis - 1000, b"\x51")], keys)


async def test_a_reorg_that_takes_the_block_of_the_money_itself_leaves_everything_to_be_mined_again(producer):
    await producer.apply()
    async with producer.site() as site:
        await site.toy.ledger.mine()
    assert (await producer.audit()).balance.pending == 0
    producer.write(title="While nothing is proven")
    async with producer.site() as site:
        site.toy.ledger.block_time = 0
        await site.toy.ledger.reorg(await site.toy.ledger.height() - 1)  # all blocks but the first
        reconciler, desired = await producer.reconciler(site)

        async def agree(_: Any) -> bool:
            return True

        finished = await reconciler.apply(desired, PlanOptions(), agree=agree, halted=lambda: False)
        assert finished.applied.generation == 2
        await site.toy.ledger.mine()
    await producer.apply()
    audited = await producer.audit()
    assert (audited.differences, audited.balance.pending) == ((), 0)
    assert {entry.state for entry in await _entries(producer)} == {JournalState.MINED}
