from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.errors import StateError
from reconciler.model.journal import COMMITTED, JournalState
from reconciler.store.journal import Journal
from reconciler.store.outbox import Delivery, DeliveryState, Outbox


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


async def test_dropping_an_entry_takes_out_its_deliveries_only(database, make_delivery, write_entry):
    async with database.begin() as connection:
        for entry in ("void", "entry"):
            await write_entry(connection, JournalState.SEEN, entry)
            await Outbox(connection).add([make_delivery("host", entry)])
        await Outbox(connection).drop("void")
        assert [delivery.entry for delivery in await Outbox(connection).pending()] == ["entry"]
