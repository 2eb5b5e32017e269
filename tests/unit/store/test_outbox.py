from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.errors import StateError
from reconciler.model.ids import Txid
from reconciler.model.journal import COMMITTED, JournalEvent, JournalState
from reconciler.store.coins import Coins, Purpose
from reconciler.store.journal import Journal
from reconciler.store.outbox import Delivery, DeliveryState, Outbox
from reconciler.store.transactions import Transactions
from reconciler.wire.merkle import path_of


@pytest.fixture
def make_delivery(name):
    def make(host: str, entry: str = "entry") -> Delivery:
        return Delivery(
            entry=entry,
            host=host,
            txid=name("transaction"),
            topics=("tm_data_catalog",),
            documents=(name("second"), name("first")),
        )

    return make


@pytest.fixture
def write_entry(make_entry):
    async def write(connection, state, entry="entry"):
        await Journal(connection).create(replace(make_entry(entry), state=state))

    return write


async def test_deliveries_come_back_in_the_order_in_which_they_were_added(database, make_delivery, write_entry):
    async with database.begin() as connection:
        await write_entry(connection, JournalState.SEEN)
        added = [make_delivery(host) for host in ("b", "a", "c")]
        await Outbox(connection).add(added)
        pending = await Outbox(connection).pending()
    assert [replace(delivery, id=0) for delivery in pending] == added
    assert len({delivery.id for delivery in pending}) == 3


@pytest.mark.parametrize("state", list(JournalState))
async def test_hosts_are_told_of_committed_entries_only(database, make_delivery, write_entry, state):
    async with database.begin() as connection:
        await Outbox(connection).add([make_delivery("host")])
        await write_entry(connection, state)
        assert bool(await Outbox(connection).pending()) is (state in COMMITTED)
        assert len(await Outbox(connection).of("entry")) == 1


async def test_adding_a_delivery_again_changes_nothing(database, make_delivery, write_entry):
    async with database.begin() as connection:
        await write_entry(connection, JournalState.SEEN)
        await Outbox(connection).add([make_delivery("host")])
        (delivery,) = await Outbox(connection).pending()
        await Outbox(connection).done(delivery.id, now=5)
        await Outbox(connection).add([make_delivery("host")])
        assert await Outbox(connection).pending() == ()


async def test_a_failed_attempt_is_noted_and_tried_again_until_it_is_done(database, make_delivery, write_entry):
    async with database.begin() as connection:
        await write_entry(connection, JournalState.SEEN)
        await Outbox(connection).add([make_delivery("host")])
        (delivery,) = await Outbox(connection).pending()
        await Outbox(connection).failed(delivery.id, "no answer", now=5)
        (again,) = await Outbox(connection).pending()
        assert again == replace(delivery, attempts=1, last_error="no answer", updated=5)
        await Outbox(connection).done(delivery.id, now=6)
        (done,) = await Outbox(connection).of("entry")
    assert done == replace(delivery, state=DeliveryState.DONE, attempts=2, updated=6)


async def test_what_is_done_cannot_fail_and_what_is_unknown_can_do_neither(database, make_delivery, write_entry):
    async with database.begin() as connection:
        await write_entry(connection, JournalState.SEEN)
        await Outbox(connection).add([make_delivery("host")])
        (delivery,) = await Outbox(connection).pending()
        await Outbox(connection).done(delivery.id, now=5)
        with pytest.raises(StateError):
            await Outbox(connection).failed(delivery.id, "late", now=6)
        with pytest.raises(StateError):
            await Outbox(connection).done(delivery.id + 1, now=6)


async def test_an_entry_that_was_given_up_keeps_only_what_its_own_transaction_owes_and_owes_all_of_it_anew(
    database, journalled, make_delivery, make_transaction
):
    root, follower = make_transaction("root"), make_transaction("follower")
    async with database.begin() as connection:
        await journalled(connection, "entry", root, follower)
        owed = [replace(make_delivery("host", "entry"), txid=each.txid) for each in (root, follower)]
        await Outbox(connection).add(owed)
        for event in (JournalEvent.SEND, JournalEvent.SEE):
            await Journal(connection).move("entry", event, now=1, token=None)
        await Outbox(connection).done((await Outbox(connection).pending())[0].id, now=2)
        for event in (JournalEvent.CONTEST, JournalEvent.LOSE):
            await Journal(connection).move("entry", event, now=3, token=None)
        await Outbox(connection).rest("entry")
        (left,) = await Outbox(connection).of("entry")
        assert (left.txid, left.state) == (root.txid, DeliveryState.PENDING)
        assert await Outbox(connection).pending() == ()


@pytest.fixture
def owe(make_delivery, write_entry, make_transaction, coins_of):
    """Deliveries of a transaction that a block at this height proves, each of one token of ours; returns them."""

    async def put(connection, label, height, *hosts):
        await write_entry(connection, JournalState.SEEN, entry=label)
        transaction = make_transaction(label)
        await Transactions(connection).put(transaction, path_of([transaction.txid], [0], height))
        tokens = [replace(coin, purpose=Purpose.TOKEN) for coin in coins_of(transaction)]
        await Coins(connection).add(tokens)
        owed = [replace(make_delivery(host, label), txid=transaction.txid) for host in hosts]
        await Outbox(connection).add(owed)
        return transaction, await Outbox(connection).of(label)

    return put


async def test_what_was_told_is_forgotten_once_no_reorg_reaches_it(database, owe):
    async with database.begin() as connection:
        outbox = Outbox(connection)
        _, (told, owed) = await owe(connection, "old", 5, "a", "b")
        _, (late,) = await owe(connection, "young", 6, "a")
        await outbox.done(told.id, now=1)
        await outbox.done(late.id, now=1)

        await outbox.forget_told(5)

        assert [each.id for each in (*await outbox.of("old"), *await outbox.of("young"))] == [owed.id, late.id]


async def test_what_a_host_does_not_keep_is_owed_while_something_of_it_is_live(database, owe, name):
    async with database.begin() as connection:
        outbox = Outbox(connection)
        spent, (moot,) = await owe(connection, "spent", 5, "a")
        _, (live,) = await owe(connection, "live", 5, "a")
        young, (shallow,) = await owe(connection, "young", 6, "a")
        for transaction in (spent, young):
            await Coins(connection).spend([transaction.outpoint(0)], Txid(name("spender")))

        await outbox.forget_moot([moot.id, live.id, shallow.id], 5)

        assert {each.id for each in await outbox.pending()} == {live.id, shallow.id}
