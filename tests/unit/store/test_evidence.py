"""The BEEF of an answer, from stored bytes: the same as from parsed transactions."""

from __future__ import annotations

import hashlib

import pytest

from reconciler.model.ids import Outpoint, Txid
from reconciler.store.evidence import evidence
from reconciler.store.host_transactions import BlockProof, HostTransactions
from reconciler.store.transactions import Transactions
from reconciler.wire.beef import parse_beef
from reconciler.wire.merkle import path_of
from reconciler.wire.transaction import Transaction, TxInput, TxOutput


def hashed(text: str) -> Txid:
    return Txid(hashlib.sha256(text.encode()).hexdigest())


def make(*parents: Txid, number: int = 0) -> Transaction:
    spent = parents or (hashed(f"coin {number}"),)
    return Transaction(tuple(TxInput(Outpoint(parent, number)) for parent in spent), (TxOutput(1, b"\x51"),) * 9)


@pytest.fixture
async def chain(database):
    """Six proven transactions in two blocks; on top of them a child, its child, and one that spends both."""
    proven = [make(number=number) for number in range(6)]
    child = make(proven[0].txid, proven[5].txid)
    grandchild = make(child.txid, number=1)
    heir = make(child.txid, grandchild.txid, number=2)
    blocks = {}
    for height, some in ((7, proven[:4]), (8, proven[4:])):
        txids = [*(each.txid for each in some), *(hashed(f"leaf {height} {place}") for place in range(60))]
        blocks |= {each.txid: path_of(txids, [txids.index(each.txid)], height) for each in some}
    arriving = [(each, blocks.get(each.txid)) for each in (*proven, child, grandchild, heir)]
    async with database.begin() as connection:
        await Transactions(connection).keep(arriving)
        proofs = [(each, path and BlockProof(height=path.height, root=path.block_root)) for each, path in arriving]
        await HostTransactions(connection).add(*proofs, shadowed=False)
    return [*proven, child, grandchild, heir]


@pytest.mark.parametrize("chosen", [[0], [0, 1, 2, 3], [0, 1, 4, 5], [8], [7, 2], [8, 7, 6, 3, 3], []])
async def test_it_is_what_the_parsed_transactions_give(database, chain, chosen):
    txids = [chain[index].txid for index in chosen]

    async with database.reading() as connection:
        found = await evidence(connection, txids)
        wanted = await Transactions(connection).beef(txids)

    beef, _ = parse_beef(found.whole())
    assert beef.transactions.keys() == wanted.transactions.keys()
    assert beef.bumps == wanted.bumps
    assert all(found.proves(txid) for txid in txids)


async def test_each_transaction_has_a_beef_of_its_own(database, chain):
    async with database.reading() as connection:
        found = await evidence(connection, [each.txid for each in chain])
        for each in chain:
            beef, _ = parse_beef(found.of(each.txid))
            wanted = await Transactions(connection).beef([each.txid])
            assert (beef.transactions.keys(), beef.bumps) == (wanted.transactions.keys(), wanted.bumps)


async def test_what_lost_its_proof_and_lacks_what_is_before_it_is_told_apart(database, chain):
    lost, child = chain[5].txid, chain[6].txid
    async with database.begin() as connection:
        await Transactions(connection).unprove(lost)
        await HostTransactions(connection).prove(lost, None)

    async with database.reading() as connection:
        found = await evidence(connection, [child, chain[0].txid])

    assert [found.proves(child), found.proves(chain[0].txid)] == [False, True]
    beef, _ = parse_beef(found.whole())
    assert set(beef.transactions) == {chain[0].txid}


async def test_a_proof_that_the_host_has_not_heard_of_yet_counts(database, chain):
    proven = chain[0].txid
    async with database.begin() as connection:
        await HostTransactions(connection).prove(proven, None)

    async with database.reading() as connection:
        found = await evidence(connection, [proven, chain[1].txid])

    beef, _ = parse_beef(found.whole())
    assert len(beef.bumps) == 1
    assert beef.proof(proven) is not None
