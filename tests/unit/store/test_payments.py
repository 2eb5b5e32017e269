from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import StateError
from reconciler.model.ids import identity_key
from reconciler.model.keys import KeyRef
from reconciler.model.payment import PaymentEvent, PaymentState
from reconciler.store.coins import Coins
from reconciler.store.payments import Payment, Payments
from reconciler.store.transactions import Transactions
from reconciler.wire.merkle import path_of
from reconciler.wire.payment import PaymentHeader

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "payment.json").read_text())["payments"]
BUYER = identity_key("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
OTHER = identity_key("02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5")
GOOD = "dataset/btc"
E = PaymentEvent


def payment(number: int = 0, **more) -> Payment:
    tender = PaymentHeader.parse(VECTORS[number]["header"]).tender(BUYER)
    given = {"good": GOOD, "price": Satoshis(1), "satoshis": tender.output.satoshis, "booked": 1000}
    return Payment(tender=tender, **{**given, **more})


def sharing(other: Payment) -> Payment:
    """Another transaction that spends the same coin."""
    transaction = replace(other.transaction, lock_time=7)
    entry = replace(other.beef.transactions[other.txid], transaction=transaction)
    kept = {txid: each for txid, each in other.beef.transactions.items() if txid != other.txid}
    beef = replace(other.beef, transactions={**kept, transaction.txid: entry})
    return replace(other, tender=replace(other.tender, beef=beef, subject=transaction.txid))


async def test_a_payment_is_read_as_it_was_written(database):
    async with database.begin() as connection:
        await Payments(connection).book(payment(doubted=1000))
    async with database.reading() as connection:
        assert await Payments(connection).find(payment().txid) == payment(doubted=1000)
        assert await Payments(connection).find(payment(1).txid) is None


async def test_its_coin_is_described_in_full():
    coin = payment().coin
    assert (coin.outpoint, coin.satoshis) == (payment().transaction.outpoint(0), payment().satoshis)
    assert coin.locking.hex() == VECTORS[0]["locking"]
    assert coin.key == KeyRef("3241645161d8", f"{VECTORS[0]['prefix']} {VECTORS[0]['suffix']}", BUYER)


async def test_a_coin_is_held_by_the_payment_that_spends_it_until_that_is_lost(database):
    one, rival = payment(), sharing(payment())
    assert (one.inputs, one.txid) != (rival.inputs, rival.txid)
    assert one.inputs == rival.inputs
    async with database.begin() as connection:
        payments = Payments(connection)
        await payments.book(one)
        assert await payments.holders(rival.inputs) == {one.txid}
        lost = await payments.move(one, E.LOSE, reason="refused by all")
        assert await payments.holders(rival.inputs) == frozenset()
        await payments.book(rival)
        with pytest.raises(StateError, match="has paid for something else"):
            await payments.move(lost, E.PROVE)
        await payments.move(rival, E.LOSE)
        assert (await payments.move(lost, E.PROVE)).state is PaymentState.ACCEPTED
        assert await payments.holders(rival.inputs) == {one.txid}


async def test_what_is_owed_is_by_buyer_and_good_accepted_before_pending(database):
    async with database.begin() as connection:
        payments = Payments(connection)
        await payments.book(payment(0))
        await payments.book(payment(1, booked=2000))
        await payments.book(payment(2, good="dataset/other"))
        assert (await payments.owed(BUYER, GOOD)).txid == payment(0).txid
        accepted = await payments.move(payment(1), E.ACCEPT)
        assert (await payments.owed(BUYER, GOOD)).txid == payment(1).txid
        assert await payments.owed(OTHER, GOOD) is None
        await payments.move(accepted, E.DELIVER)
        assert (await payments.owed(BUYER, GOOD)).txid == payment(0).txid
        await payments.move(payment(0), E.LOSE)
        assert await payments.owed(BUYER, GOOD) is None
        assert [each.txid for each in await payments.earned()] == [payment(1).txid]


async def test_what_was_paid_is_taken_over_once_when_it_is_proven_and_given_up_when_it_is_lost(database):
    async with database.begin() as connection:
        payments, wallet = Payments(connection), Coins(connection)
        await payments.book(payment())
        block = path_of([payment().txid], [0], 5)
        accepted = await payments.prove(await payments.move(payment(), E.ACCEPT), block)
        ((untaken, coin, proof),) = await payments.untaken()
        assert (untaken, coin, proof.height) == (accepted, accepted.coin, 5)
        await Transactions(connection).put(accepted.transaction)
        await wallet.add([accepted.coin])
        assert await payments.untaken() == ()
        lost = await payments.move(accepted, E.LOSE)
        assert await wallet.all() == ()
        assert await payments.untaken() == ()
        await payments.move(lost, E.PROVE)
        assert len(await payments.untaken()) == 1


async def test_why_a_payment_was_lost_is_kept_and_forgotten_when_it_is_credited(database):
    async with database.begin() as connection:
        payments = Payments(connection)
        await payments.book(payment())
        lost = await payments.move(payment(), E.LOSE, reason="a rival is mined")
        assert await payments.find(lost.txid) == lost
        assert lost.reason == "a rival is mined"
        assert (await payments.move(lost, E.PROVE)).reason == ""


async def test_each_is_looked_at_now_and_then_until_it_is_proven(database):
    async with database.begin() as connection:
        payments = Payments(connection)
        for number in range(3):
            await payments.book(payment(number, booked=1000 + number))

        async def due(now, limit=10):
            found = await payments.due(now, every=60, seldom=90, patience=600, limit=limit)
            return {each.txid for each in found}

        first, second, third = (payment(number).txid for number in range(3))
        assert await due(999) == set()
        assert await due(1001, limit=1) == {first}
        assert await due(1010) == {second, third}
        assert await due(1060) == set()
        assert await due(1061) == {first}
        await payments.move(payment(2), E.ACCEPT)
        assert await due(1070) == {second, third}
        assert await due(1130) == {first, second}
        assert await due(1160) == {third}
        block = path_of([first], [0], 5)
        await payments.prove(payment(0), block)
        assert await due(2000) == {second, third}
        await payments.unprove(5, block.block_root, 2000)
        assert await due(2000) == {first}


async def test_what_was_lost_is_looked_at_for_a_while(database):
    async with database.begin() as connection:
        payments = Payments(connection)
        await payments.book(payment())
        await payments.move(payment(), E.LOSE)
        assert len(await payments.due(1599, every=1, seldom=1, patience=600, limit=9)) == 1
        assert await payments.due(1600, every=1, seldom=1, patience=600, limit=9) == ()
        assert await payments.due(99_999, every=1, seldom=1, patience=600_000, limit=9) == ()


async def test_the_highest_block_that_proves_something_is_told(database):
    async with database.begin() as connection:
        payments = Payments(connection)
        assert await payments.newest_blocks() == ()
        blocks = []
        for number, height in ((0, 5), (1, 6), (2, 6)):
            await payments.book(payment(number))
            txid = payment(number).txid
            path = path_of([txid], [0], height)
            blocks.append((height, path.block_root))
            assert (await payments.find(txid)).height is None
            proven = await payments.prove(payment(number), path)
            assert await payments.find(txid) == proven
        assert sorted(await payments.newest_blocks()) == sorted(blocks[1:])
        await payments.unprove(*blocks[1], 0)
        assert await payments.newest_blocks() == (blocks[2],)
        await payments.unprove(*blocks[2], 0)
        assert await payments.newest_blocks() == (blocks[0],)


async def test_a_payment_that_is_not_there_cannot_be_changed(database):
    async with database.begin() as connection:
        with pytest.raises(StateError, match="no such transaction"):
            await Payments(connection).note(payment(), doubted=5)


async def test_what_the_network_shows_is_not_looked_at_before_there_is_a_new_block(database):
    async with database.begin() as connection:
        payments = Payments(connection)
        waiting, pending, doubted = (payment(number) for number in range(3))
        for each in (waiting, pending, doubted):
            await payments.book(each)
        await payments.move(waiting, E.ACCEPT)
        await payments.note(doubted, E.ACCEPT, doubted=1000)

        async def due(now, grown):
            found = await payments.due(now, every=10, seldom=60, patience=600, limit=9, grown=grown)
            return {each.txid for each in found}

        assert await due(1005, grown=999) == {pending.txid, doubted.txid}
        assert waiting.txid in await due(1065, grown=1001)
        assert waiting.txid not in await due(1125, grown=1001)
        assert waiting.txid in await due(1185, grown=1130)


async def test_what_was_looked_at_or_put_off_while_a_block_was_news_is_looked_at_again(database):
    async with database.begin() as connection:
        payments, waiting = Payments(connection), payment()
        await payments.book(waiting)
        await payments.move(waiting, E.ACCEPT)

        async def due(now, grown):
            found = await payments.due(now, every=10, seldom=60, patience=600, limit=9, grown=grown)
            return {each.txid for each in found}

        assert await due(1005, grown=900) == set()  # by a process that has not heard of the block at 1002
        assert await due(1065, grown=1062) == {waiting.txid}  # by a miner who had not heard of it, perhaps
        assert await due(1125, grown=1062) == {waiting.txid}
        assert await due(1185, grown=1062) == set()
