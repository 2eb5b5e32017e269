from __future__ import annotations

import pytest

from reconciler.model.errors import RefusedError
from reconciler.model.ids import Txid
from reconciler.wire.beef import parse_beef
from reconciler.wire.spv import SpvError, SpvFault, verify


async def roots(ledger):
    return {block.height: block.header.merkle_root for block in await ledger.latest(1_000)}


async def verified(ledger, beef, subject, clock):
    return verify(beef, subject, roots=await roots(ledger), height=await ledger.height(), now=int(clock.now))


async def test_the_faucets_beef_proves_its_money(ledger, payer, clock):
    funding = await ledger.faucet(payer.locking, 5_000)
    beef, subject = parse_beef(funding.beef)
    stands = await verified(ledger, beef, subject, clock)
    assert stands.proven
    output = stands.transaction.outputs[funding.outpoint.vout]
    assert (subject, output.satoshis, output.locking) == (funding.outpoint.txid, 5_000, payer.locking)


async def test_unmined_ancestry_comes_along_until_it_is_proven(ledger, payer, fund, clock):
    parent = payer.pay([await fund(), await fund()], [199_000])
    child = payer.pay([(parent, 0)], [50_000, 148_000])
    left, right = payer.pay([(child, 0)], [49_000]), payer.pay([(child, 1)], [147_000])
    join = payer.pay([(left, 0), (right, 0)], [195_000])
    for each in (parent, child, left, right, join):
        await ledger.submit(each)
    beef = await ledger.beef(join.txid)
    assert len(beef.transactions) == 7
    stands = await verified(ledger, beef, join.txid, clock)
    assert not stands.proven
    await ledger.mine()
    beef = await ledger.beef(join.txid)
    assert set(beef.transactions) == {join.txid}
    assert (await verified(ledger, beef, join.txid, clock)).proven


async def test_a_faucet_transaction_thrown_back_by_a_reorg_still_convinces(ledger, payer, fund, clock):
    (coin, _), _ = await fund(), await fund()
    await ledger.reorg(2)
    beef = await ledger.beef(coin.txid)
    assert not (await verified(ledger, beef, coin.txid, clock)).proven


async def test_a_proof_from_before_a_reorg_convinces_nobody(ledger, payer, fund, clock):
    payment = payer.pay([await fund()], [99_000])
    await ledger.submit(payment)
    await ledger.mine()
    stale = await ledger.beef(payment.txid)
    await ledger.reorg(1)
    with pytest.raises(SpvError) as caught:
        await verified(ledger, stale, payment.txid, clock)
    assert caught.value.fault is SpvFault.BAD_PROOF


async def test_every_transaction_of_a_block_is_proven(ledger, payer, fund, clock):
    wide = payer.pay([await fund()], [9_000] * 10)
    await ledger.submit(wide)
    children = [payer.pay([(wide, vout)], [8_000]) for vout in range(10)]
    for child in children:
        await ledger.submit(child)
    await ledger.mine()
    for each in (wide, *children):
        beef, subject = parse_beef((await ledger.beef(each.txid)).to_atomic(each.txid))
        assert (await verified(ledger, beef, subject, clock)).proven


async def test_nothing_is_said_of_what_was_never_seen(ledger):
    with pytest.raises(RefusedError):
        await ledger.beef(Txid("ab" * 32))
