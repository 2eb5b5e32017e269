from __future__ import annotations

import pytest

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError
from reconciler.model.ids import Outpoint, Txid
from reconciler.wire.arc import ArcError, TxStatus
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

SEEN, MINED, REJECTED = TxStatus.SEEN_ON_NETWORK, TxStatus.MINED, TxStatus.REJECTED
DOUBLE, ORPHAN = TxStatus.DOUBLE_SPEND_ATTEMPTED, TxStatus.SEEN_IN_ORPHAN_MEMPOOL
COIN = 100_000


async def refused(ledger, transaction, spent=None) -> int:
    with pytest.raises(RefusedError) as caught:
        await ledger.submit(transaction, spent)
    assert await ledger.status(transaction.txid) is None, "what is refused leaves no trace"
    return int(caught.value.code)


async def test_a_valid_transaction_is_seen_and_then_mined(ledger, payer, fund):
    payment = payer.pay([await fund()], [99_000])
    assert (await ledger.submit(payment)).status is SEEN
    (block,) = await ledger.mine()
    report = await ledger.status(payment.txid)
    assert (report.status, report.block_height, report.block_hash) == (MINED, block.height, block.header.hash)


async def test_handing_it_in_again_changes_nothing(ledger, payer, fund):
    payment = payer.pay([await fund()], [99_000])
    assert await ledger.submit(payment) == await ledger.submit(payment)
    assert (await ledger.overview()).waiting == 1
    await ledger.mine()
    assert (await ledger.submit(payment)).status is MINED
    assert (await ledger.overview()).waiting == 0


async def test_an_unknown_transaction_has_no_status(ledger):
    assert await ledger.status(Txid("ab" * 32)) is None


async def test_inputs_need_their_owners_signature(ledger, payer, fund):
    parent, vout = await fund()
    stolen = Transaction((TxInput(parent.outpoint(vout), b"\x01\x01"),), (TxOutput(Satoshis(9), payer.locking),))
    assert await refused(ledger, stolen) == ArcError.UNLOCKING_SCRIPTS


async def test_a_signature_covers_every_output(ledger, payer, fund):
    payment = payer.pay([await fund()], [99_000])
    changed = Transaction(payment.inputs, (TxOutput(Satoshis(98_999), payer.locking),))
    assert await refused(ledger, changed) == ArcError.UNLOCKING_SCRIPTS


async def test_more_cannot_come_out_than_went_in(ledger, payer, fund):
    assert await refused(ledger, payer.pay([await fund()], [COIN + 1])) == ArcError.FEES


async def test_a_fee_below_policy_is_refused_and_the_exact_one_taken(ledger, payer, fund):
    parent = await fund()
    fee = ledger.rate.fee(len(payer.pay([parent], [COIN]).raw))
    assert await refused(ledger, payer.pay([parent], [COIN - fee + 1])) == ArcError.FEES
    assert (await ledger.submit(payer.pay([parent], [COIN - fee]))).status is SEEN


async def test_an_output_spent_twice_in_one_transaction_is_refused(ledger, payer, fund):
    parent = await fund()
    assert await refused(ledger, payer.pay([parent, parent], [150_000])) == ArcError.INPUTS


async def test_nobody_makes_coins(ledger, payer):
    nothing = TxInput(Outpoint(Txid("00" * 32), 0xFFFFFFFF), b"\x04" + b"\x00" * 40)
    made = Transaction((nothing,), (TxOutput(Satoshis(50), payer.locking),))
    assert await refused(ledger, made) == ArcError.INPUTS


@pytest.mark.parametrize(
    ("output", "code"),
    [
        (TxOutput(Satoshis(0), b"\x51"), ArcError.OUTPUTS),
        (TxOutput(Satoshis(1), b"\x00\x6a\x01\x41"), ArcError.OUTPUTS),
        (TxOutput(Satoshis(2_100_000_000_000_001), b"\x51"), ArcError.OUTPUTS),
        (TxOutput(Satoshis(2**64 - 1), b"\x51"), ArcError.OUTPUTS),
    ],
)
async def test_outputs_hold_possible_amounts(ledger, payer, fund, output, code):
    assert await refused(ledger, payer.pay([await fund()], [output])) == code


async def test_data_without_coins_is_taken(ledger, payer, fund):
    data = TxOutput(Satoshis(0), b"\x00\x6a\x03abc")
    change = TxOutput(Satoshis(99_000), payer.locking)
    assert (await ledger.submit(payer.pay([await fund()], [data, change]))).status is SEEN


@pytest.mark.parametrize("change", [{"inputs": ()}, {"outputs": ()}])
async def test_a_transaction_has_inputs_and_outputs(ledger, payer, fund, change):
    payment = payer.pay([await fund()], [99_000])
    broken = Transaction(change.get("inputs", payment.inputs), change.get("outputs", payment.outputs))
    assert await refused(ledger, broken) == ArcError.INPUTS


async def test_a_lock_time_that_has_not_passed_is_rejected_until_it_has(ledger, payer, fund):
    height = await ledger.height() + 1
    locked = payer.pay([await fund()], [99_000], sequence=0, lock_time=height + 3)
    assert (await ledger.submit(locked)).status is REJECTED
    await ledger.mine(3)
    assert (await ledger.submit(locked)).status is SEEN


async def test_a_lock_time_in_seconds_is_measured_by_the_median_of_blocks(ledger, payer, fund, clock):
    locked = payer.pay([await fund()], [99_000], sequence=0, lock_time=int(clock.now) + 60)
    clock.tick(600)
    assert (await ledger.submit(locked)).status is REJECTED, "the clock has passed it, the blocks have not"
    await ledger.mine(11)
    assert (await ledger.submit(locked)).status is SEEN


async def test_final_sequences_switch_the_lock_time_off(ledger, payer, fund):
    assert (await ledger.submit(payer.pay([await fund()], [99_000], lock_time=1_000_000))).status is SEEN


async def test_a_young_coinbase_cannot_be_spent(ledger, payer):
    (block,) = await ledger.mine()
    coinbase = (await ledger.unspent(b"\x51"))[-1]
    assert coinbase.height == block.height
    early = Transaction((TxInput(coinbase.outpoint),), (TxOutput(Satoshis(1), payer.locking),))
    assert (await ledger.submit(early)).status is REJECTED
    await ledger.mine(99)
    assert (await ledger.submit(early)).status is SEEN


async def test_the_second_spend_in_the_mempool_is_refused_and_both_are_told(ledger, payer, fund):
    parent = await fund()
    first, second = payer.pay([parent], [99_000]), payer.pay([parent], [98_000])
    assert (await ledger.submit(first)).status is SEEN
    report = await ledger.submit(second)
    assert (report.status, report.competing) == (DOUBLE, (first.txid,))
    report = await ledger.status(first.txid)
    assert (report.status, report.competing) == (DOUBLE, (second.txid,))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_whoever_comes_first_is_mined_and_the_other_rejected(ledger, payer, fund, order):
    parent = await fund()
    pair = (payer.pay([parent], [99_000]), payer.pay([parent], [98_000]))
    winner, loser = (pair[each] for each in order)
    await ledger.submit(winner)
    await ledger.submit(loser)
    await ledger.mine()
    assert (await ledger.status(winner.txid)).status is MINED
    assert (await ledger.status(winner.txid)).extra_info == "double spend attempted"
    lost = await ledger.status(loser.txid)
    assert (lost.status, lost.competing) == (REJECTED, (winner.txid,))
    assert (await ledger.submit(loser)).status is REJECTED


async def test_a_spend_of_what_is_spent_on_chain_is_refused(ledger, payer, fund):
    parent = await fund()
    winner, late = payer.pay([parent], [99_000]), payer.pay([parent], [98_000])
    await ledger.submit(winner)
    await ledger.mine()
    report = await ledger.submit(late)
    assert (report.status, report.competing) == (DOUBLE, (winner.txid,))
    assert (await ledger.status(late.txid)).status is REJECTED
    assert (await ledger.status(winner.txid)).status is MINED


async def test_a_raw_transaction_without_known_parents_is_refused(ledger, payer, fund):
    parent = payer.pay([await fund()], [99_000])
    assert await refused(ledger, payer.pay([(parent, 0)], [98_000])) == ArcError.TX_FORMAT


async def test_an_orphan_waits_for_all_its_parents(ledger, payer, fund):
    left, right = payer.pay([await fund()], [99_000]), payer.pay([await fund()], [99_000])
    child = payer.pay([(left, 0), (right, 0)], [197_000])
    grandchild = payer.pay([(child, 0)], [196_000])
    assert (await ledger.submit(grandchild, child.outputs)).status is ORPHAN
    assert (await ledger.submit(child, (left.outputs[0], right.outputs[0]))).status is ORPHAN
    await ledger.submit(right)
    assert (await ledger.status(child.txid)).status is ORPHAN
    await ledger.submit(left)
    assert (await ledger.status(child.txid)).status is SEEN
    assert (await ledger.status(grandchild.txid)).status is SEEN
    await ledger.mine()
    assert (await ledger.status(grandchild.txid)).status is MINED


async def test_an_orphan_whose_parent_is_not_what_it_said_is_rejected(ledger, payer, fund):
    parent = payer.pay([await fund()], [99_000])
    lie = TxOutput(Satoshis(500_000), payer.locking)
    pretended = Transaction(parent.inputs, (lie,))
    child = payer.pay([(pretended, 0)], [400_000])
    child = Transaction((TxInput(parent.outpoint(0), child.inputs[0].unlocking),), child.outputs)
    assert await refused(ledger, child, (lie,)) == ArcError.UNLOCKING_SCRIPTS
    anyone = TxOutput(Satoshis(500_000), b"\x51")
    claimed = Transaction((TxInput(parent.outpoint(0)),), (TxOutput(Satoshis(400_000), payer.locking),))
    assert (await ledger.submit(claimed, (anyone,))).status is ORPHAN
    await ledger.submit(parent)
    assert (await ledger.status(claimed.txid)).status is REJECTED


async def test_a_chain_of_unmined_transactions_is_mined_in_order(ledger, payer, fund):
    parent = await fund()
    chain = []
    for left in range(99_000, 94_000, -1_000):
        chain.append(payer.pay([parent], [left]))
        parent = (chain[-1], 0)
        await ledger.submit(chain[-1])
    (block,) = await ledger.mine()
    reports = [await ledger.status(each.txid) for each in chain]
    assert {report.block_height for report in reports} == {block.height}


async def test_unspent_outputs_are_found_by_script_and_lose_what_is_spent(ledger, payer, fund):
    parent = await fund()
    payment = payer.pay([parent], [40_000, 59_000])
    await ledger.submit(payment)
    coins = await ledger.unspent(payer.locking)
    assert [(coin.outpoint, coin.satoshis, coin.height) for coin in coins] == [
        (payment.outpoint(0), 40_000, None),
        (payment.outpoint(1), 59_000, None),
    ]


async def test_a_thousand_outputs_and_two_hundred_children_are_no_problem(ledger, payer, fund):
    wide = payer.pay([await fund(20_000_000)], [19_000] * 1_000)
    await ledger.submit(wide)
    children = [payer.pay([(wide, vout)], [18_900]) for vout in range(200)]
    for child in children:
        assert (await ledger.submit(child)).status is SEEN
    await ledger.mine()
    assert (await ledger.status(children[-1].txid)).status is MINED
    assert len(await ledger.unspent(payer.locking)) == 1_000
