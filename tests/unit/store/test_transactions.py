from __future__ import annotations

import pytest

from reconciler.model.errors import StateError, VerificationError
from reconciler.store.transactions import Transactions
from reconciler.wire.beef import parse_beef
from reconciler.wire.merkle import path_of


def in_block(*transactions, height=7):
    """The path of each of these transactions, alone in a block of their own."""
    txids = [transaction.txid for transaction in transactions]
    return {txid: path_of(txids, [index], height) for index, txid in enumerate(txids)}


async def test_a_transaction_comes_back_byte_for_byte(database, make_transaction):
    transaction = make_transaction()
    async with database.begin() as connection:
        await Transactions(connection).put(transaction)
        stored = await Transactions(connection).get(transaction.txid)
    assert stored.transaction == transaction
    assert (stored.proof, stored.height) == (None, None)


async def test_a_transaction_that_is_not_there_is_none(database, make_transaction):
    async with database.begin() as connection:
        assert await Transactions(connection).get(make_transaction().txid) is None


async def test_a_proof_can_come_with_the_transaction_or_later_and_stays(database, make_transaction):
    early, late = make_transaction("early"), make_transaction("late")
    paths = in_block(early, late)
    async with database.begin() as connection:
        transactions = Transactions(connection)
        await transactions.put(early, paths[early.txid])
        await transactions.put(late)
        assert await transactions.unproven() == (late.txid,)
        await transactions.prove(late.txid, paths[late.txid])
        await transactions.put(early)
        await transactions.put(late)
        assert await transactions.unproven() == ()
        assert (await transactions.get(early.txid)).proof == paths[early.txid]
        assert (await transactions.get(late.txid)).height == 7


async def test_of_a_path_for_many_only_what_the_transaction_needs_is_kept(database, make_transaction):
    block = [make_transaction(number) for number in range(4)]
    whole = path_of([transaction.txid for transaction in block], range(4), 7)
    async with database.begin() as connection:
        await Transactions(connection).put(block[0], whole)
        assert (await Transactions(connection).get(block[0].txid)).proof == in_block(*block)[block[0].txid]


async def test_a_path_of_another_transaction_is_refused(database, make_transaction):
    one, other = make_transaction("one"), make_transaction("other")
    async with database.begin() as connection:
        await Transactions(connection).put(one)
        with pytest.raises(VerificationError):
            await Transactions(connection).prove(one.txid, in_block(other)[other.txid])


async def test_a_reorg_takes_the_proof_away_and_leaves_the_transaction(database, make_transaction):
    transaction = make_transaction()
    async with database.begin() as connection:
        await Transactions(connection).put(transaction, in_block(transaction)[transaction.txid])
        await Transactions(connection).unprove(transaction.txid)
        assert await Transactions(connection).unproven() == (transaction.txid,)


async def test_an_unknown_transaction_cannot_be_proven_or_unproven(database, make_transaction):
    transaction = make_transaction()
    async with database.begin() as connection:
        with pytest.raises(StateError):
            await Transactions(connection).prove(transaction.txid, in_block(transaction)[transaction.txid])
        with pytest.raises(StateError):
            await Transactions(connection).unprove(transaction.txid)


async def test_a_beef_has_the_ancestry_back_to_proofs_and_no_further(database, make_transaction):
    before = make_transaction("before")
    left = make_transaction("left", spends=(before.outpoint(0),))
    right = make_transaction("right")
    middle = make_transaction("middle", spends=(left.outpoint(0), right.outpoint(0)), pays=(1, 2))
    top = make_transaction("top", spends=(middle.outpoint(0), middle.outpoint(1)))
    paths = in_block(left, right)
    async with database.begin() as connection:
        for transaction in (top, middle, before):
            await Transactions(connection).put(transaction)
        for transaction in (left, right):
            await Transactions(connection).put(transaction, paths[transaction.txid])
        beef = await Transactions(connection).beef([top.txid])
    assert set(beef.transactions) == {transaction.txid for transaction in (left, right, middle, top)}
    assert list(beef.transactions)[-2:] == [middle.txid, top.txid]
    assert len(beef.bumps) == 1, "both proofs lead to one block"
    assert beef.proof(left.txid).proves(right.txid)
    assert parse_beef(beef.to_bytes())[0] == beef


async def test_proofs_of_different_blocks_stay_apart(database, make_transaction):
    one, two = make_transaction("one"), make_transaction("two")
    async with database.begin() as connection:
        await Transactions(connection).put(one, in_block(one, height=9)[one.txid])
        await Transactions(connection).put(two, in_block(two, height=8)[two.txid])
        beef = await Transactions(connection).beef([one.txid, two.txid])
    assert [bump.height for bump in beef.bumps] == [8, 9]
    assert beef.proof(one.txid).height == 9


async def test_a_long_unproven_chain_is_walked_once(database, make_transaction):
    chain = [make_transaction("first")]
    for number in range(300):
        chain.append(make_transaction(number, spends=(chain[-1].outpoint(0),)))
    async with database.begin() as connection:
        await Transactions(connection).put(chain[0], in_block(chain[0])[chain[0].txid])
        for transaction in chain[1:]:
            await Transactions(connection).put(transaction)
        beef = await Transactions(connection).beef([chain[-1].txid])
    assert list(beef.transactions) == [transaction.txid for transaction in chain]


async def test_an_ancestor_that_is_needed_and_missing_is_named(database, make_transaction):
    parent = make_transaction("parent")
    child = make_transaction("child", spends=(parent.outpoint(0),))
    async with database.begin() as connection:
        await Transactions(connection).put(child)
        with pytest.raises(StateError) as refused:
            await Transactions(connection).beef([child.txid])
    assert refused.value.where == parent.txid
