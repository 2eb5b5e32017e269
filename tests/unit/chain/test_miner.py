from __future__ import annotations

from itertools import pairwise

import pytest

from reconciler.model.errors import RefusedError
from reconciler.model.ids import Txid
from reconciler.wire.arc import TxStatus
from reconciler.wire.merkle import merkle_root, parse_path

SEEN, MINED, REJECTED = TxStatus.SEEN_ON_NETWORK, TxStatus.MINED, TxStatus.REJECTED


async def test_blocks_are_linked_and_worked_for(ledger):
    await ledger.mine(20)
    blocks = (await ledger.latest(100))[::-1]
    assert [block.height for block in blocks] == list(range(22))
    for parent, child in pairwise(blocks):
        assert child.header.previous == parent.header.hash
        assert child.header.meets_target


async def test_every_new_world_has_its_own_first_block(tmp_path, new_ledger):
    first, second = new_ledger(tmp_path / "a" / "chain.db", salt="a"), new_ledger(tmp_path / "b" / "chain.db", salt="b")
    async with first, second:
        one, two = await first.overview(), await second.overview()
        assert one.network_id != two.network_id
        assert (await first.block(0)) == (await second.block(0))
    async with first:
        assert (await first.overview()).network_id == one.network_id


async def test_a_transaction_is_mined_when_the_world_is_looked_at_after_block_time(tmp_path, new_ledger, payer, clock):
    from_reserve = 100_000
    async with new_ledger(tmp_path / "timed.db", block_time=1.0) as ledger:
        await ledger.faucet(payer.locking, from_reserve)
        coin = (await ledger.unspent(payer.locking))[0]
        parent = (await ledger.beef(coin.outpoint.txid)).transactions[coin.outpoint.txid].transaction
        payment = payer.pay([(parent, coin.outpoint.vout)], [99_000])
        await ledger.submit(payment)
        clock.tick(0.9)
        assert (await ledger.status(payment.txid)).status is SEEN
        height = await ledger.height()
        clock.tick(0.2)
        assert (await ledger.status(payment.txid)).status is MINED
        clock.tick(100)
        assert await ledger.height() == height + 1, "nothing waits, so nothing is mined"


async def test_by_hand_means_by_hand(ledger, payer, fund, clock):
    payment = payer.pay([await fund()], [99_000])
    await ledger.submit(payment)
    clock.tick(1_000)
    assert (await ledger.status(payment.txid)).status is SEEN


async def test_the_faucet_leaves_the_mempool_alone(ledger, payer, fund):
    payment = payer.pay([await fund()], [99_000])
    await ledger.submit(payment)
    await fund()
    assert (await ledger.status(payment.txid)).status is SEEN


@pytest.mark.parametrize("amount", [0, 100_000_000_000_001])
async def test_the_faucet_gives_what_it_has(ledger, payer, amount):
    with pytest.raises(RefusedError):
        await ledger.faucet(payer.locking, amount)


async def test_fees_go_to_the_miner(ledger, payer, fund):
    await ledger.submit(payer.pay([await fund()], [90_000]))
    await ledger.mine()
    assert (await ledger.unspent(b"\x51"))[-1].satoshis == 5_000_000_000 + 10_000


async def test_a_reorg_brings_transactions_back_and_changes_their_proofs(ledger, payer, fund):
    payment = payer.pay([await fund()], [99_000])
    await ledger.submit(payment)
    (before,) = await ledger.mine()
    proof = (await ledger.status(payment.txid)).merkle_path
    await ledger.reorg(1)
    report = await ledger.status(payment.txid)
    assert (report.status, report.merkle_path, report.block_height) == (SEEN, None, None)
    assert await ledger.height() == before.height + 1
    assert await ledger.block_of(before.header.hash) is None
    await ledger.mine()
    report = await ledger.status(payment.txid)
    assert report.status is MINED
    assert report.merkle_path != proof
    block = await ledger.block(report.block_height)
    assert parse_path(report.merkle_path).root(payment.txid) == block.header.merkle_root


async def test_a_reorg_can_take_everything_along(ledger, payer, fund):
    payment = payer.pay([await fund()], [99_000])
    await ledger.submit(payment)
    (before,) = await ledger.mine()
    (first, _) = await ledger.reorg(1, again=True)
    report = await ledger.status(payment.txid)
    assert (report.status, report.block_hash) == (MINED, first.header.hash)
    assert first.height == before.height
    assert first.header.hash != before.header.hash


async def test_what_a_reorg_drops_is_stale_and_its_children_are_orphans(ledger, payer, fund):
    parent = payer.pay([await fund()], [99_000])
    child = payer.pay([(parent, 0)], [98_000])
    await ledger.submit(parent)
    await ledger.submit(child)
    await ledger.mine()
    await ledger.reorg(1, drop={parent.txid})
    assert (await ledger.status(parent.txid)).status is TxStatus.MINED_IN_STALE_BLOCK
    assert (await ledger.status(child.txid)).status is TxStatus.SEEN_IN_ORPHAN_MEMPOOL
    await ledger.mine()
    assert (await ledger.status(child.txid)).status is TxStatus.SEEN_IN_ORPHAN_MEMPOOL
    assert (await ledger.submit(parent)).status is SEEN
    assert (await ledger.status(child.txid)).status is SEEN


async def test_a_reorg_can_put_another_spend_in_its_place(ledger, payer, fund):
    parent = await fund()
    payment, other = payer.pay([parent], [99_000]), payer.pay([parent], [98_000])
    await ledger.submit(payment)
    await ledger.mine()
    (first, _) = await ledger.reorg(1, drop={payment.txid}, instead=[other])
    assert (await ledger.status(other.txid)).block_hash == first.header.hash
    assert (await ledger.submit(payment)).status is TxStatus.DOUBLE_SPEND_ATTEMPTED
    report = await ledger.status(payment.txid)
    assert (report.status, report.competing) == (REJECTED, (other.txid,))


async def test_money_from_the_faucet_survives_a_reorg(ledger, payer, fund):
    coins = [await fund() for _ in range(3)]
    await ledger.reorg(3)
    assert len(await ledger.unspent(payer.locking)) == 3
    await ledger.submit(payer.pay(coins, [299_000]))
    await fund()
    await ledger.mine()
    assert (await ledger.status(coins[0][0].txid)).status is MINED


@pytest.mark.parametrize("depth", [0, -1, 2, 100])
async def test_a_reorg_never_reaches_block_1(ledger, depth):
    await ledger.mine()
    with pytest.raises(RefusedError):
        await ledger.reorg(depth)
    assert await ledger.height() == 2


async def test_a_failed_reorg_leaves_everything_as_it_was(ledger, payer, fund):
    payment = payer.pay([await fund()], [99_000])
    await ledger.submit(payment)
    await ledger.mine()
    before = (await ledger.overview(), await ledger.status(payment.txid))
    with pytest.raises(RefusedError):
        await ledger.reorg(1, drop={Txid("ab" * 32)})
    with pytest.raises(RefusedError):
        await ledger.reorg(1, instead=[payer.pay([(payment, 0)], [99_000_000])])
    assert (await ledger.overview(), await ledger.status(payment.txid)) == before


async def test_a_replacement_is_mined_and_the_first_spend_lost_for_good(ledger, payer, fund):
    parent = await fund()
    payment, other = payer.pay([parent], [99_000]), payer.pay([parent], [98_000])
    child = payer.pay([(payment, 0)], [97_000])
    await ledger.submit(payment)
    await ledger.submit(child)
    block = await ledger.replace(payment.txid, other)
    assert (await ledger.status(other.txid)).block_hash == block.header.hash
    report = await ledger.status(payment.txid)
    assert (report.status, report.competing) == (REJECTED, (other.txid,))
    assert (await ledger.status(child.txid)).status is TxStatus.SEEN_IN_ORPHAN_MEMPOOL
    await ledger.mine()
    assert (await ledger.status(payment.txid)).status is REJECTED


async def test_only_a_conflict_replaces(ledger, payer, fund):
    payment, other = payer.pay([await fund()], [99_000]), payer.pay([await fund()], [98_000])
    await ledger.submit(payment)
    with pytest.raises(RefusedError, match="do not conflict"):
        await ledger.replace(payment.txid, other)
    assert (await ledger.status(payment.txid)).status is SEEN


async def test_a_block_without_transactions_has_its_coinbase_as_root(ledger):
    (block,) = await ledger.mine()
    coinbase = (await ledger.unspent(b"\x51"))[-1].outpoint.txid
    assert block.header.merkle_root == merkle_root([coinbase])
