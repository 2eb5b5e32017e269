from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from sqlalchemy.exc import IntegrityError

from reconciler.model.errors import LockedError, StateError
from reconciler.model.journal import COMMITTED, TRANSITIONS, UNFINISHED, EntryRole, JournalEvent, JournalState
from reconciler.store.database import Database
from reconciler.store.journal import Journal
from reconciler.store.leases import APPLY, Leases, Owner

ME = Owner("me", "here", 1, "boot")


async def test_an_entry_comes_back_as_it_was_written(database, journalled, make_transaction):
    transactions = [make_transaction(label) for label in range(3)]
    async with database.begin() as connection:
        entry = await journalled(connection, "one", *transactions)
    async with database.begin() as connection:
        assert await Journal(connection).get("one") == entry
        assert await Journal(connection).get("two") is None


async def test_what_becomes_live_is_asked_for_by_itself(database, make_entry):
    async with database.begin() as connection:
        journal = Journal(connection)
        loud = await journal.create(make_entry("loud"), outcome=b'{"at":1}')
        mute = await journal.create(make_entry("mute"))
        assert (loud.publishes, mute.publishes) == (True, False)
    async with database.begin() as connection:
        journal = Journal(connection)
        assert [entry.publishes for entry in await journal.list(2)] == [False, True]
        assert [await journal.outcome(entry) for entry in ("loud", "mute", "none")] == [b'{"at":1}', b"", b""]
        await journal.rewrite("loud", b'{"at":2}')
        assert await journal.outcome("loud") == b'{"at":2}'


async def test_the_batches_of_an_apply_are_its_own(database, make_entry):
    async with database.begin() as connection:
        journal = Journal(connection)
        for number, role in enumerate((EntryRole.LOCK, EntryRole.BATCH, EntryRole.BATCH, EntryRole.ROOT)):
            state = JournalState.MINED if number == 1 else JournalState.SEEN
            root = await journal.create(replace(make_entry(f"{number}"), role=role, state=state, place=number))
        later = replace(make_entry("later", created=200), role=EntryRole.BATCH)
        await journal.create(later)
        assert sorted(await journal.batches(root)) == [JournalState.MINED, JournalState.SEEN]
        assert await journal.batches(later) == (JournalState.PREPARED,)


async def test_an_id_is_used_once(database, journalled):
    async with database.begin() as connection:
        entry = await journalled(connection, "one")
        with pytest.raises(StateError, match="a journal entry that is prepared cannot prepare"):
            await Journal(connection).create(entry)


async def begun(database, work):
    async with database.begin() as connection:
        await work(connection)


@pytest.mark.parametrize("way", [begun, Database.write, Database.jot])
async def test_an_entry_whose_transactions_are_not_stored_is_not_committed(database, make_entry, make_transaction, way):
    with pytest.raises(IntegrityError):
        await way(database, lambda connection: Journal(connection).create(make_entry("one", make_transaction())))
    async with database.begin() as connection:
        assert await Journal(connection).get("one") is None


@pytest.mark.parametrize(("state", "event"), list(product(JournalState, JournalEvent)))
async def test_every_move_is_as_the_table_says(database, make_entry, state, event):
    async with database.begin() as connection:
        await Journal(connection).create(replace(make_entry("one"), state=state))
        if (state, event) in TRANSITIONS:
            after = await Journal(connection).move("one", event, now=200, token=None)
            assert after is TRANSITIONS[state, event]
        else:
            with pytest.raises(StateError, match=f"is {state} cannot {event}"):
                await Journal(connection).move("one", event, now=200, token=None)
            after = state
        entry = await Journal(connection).get("one")
    assert (entry.state, entry.updated) == (after, 200 if (state, event) in TRANSITIONS else 100)


async def test_an_unknown_entry_cannot_move(database):
    async with database.begin() as connection:
        with pytest.raises(StateError, match="no entry one"):
            await Journal(connection).move("one", JournalEvent.SEND, now=1, token=None)


async def test_an_outdated_lease_neither_writes_nor_moves_entries(database, journalled, make_entry):
    async with database.begin() as connection:
        old = await Leases(connection).acquire(APPLY, ME, now=0, ttl=15)
        await journalled(connection, "one")
    async with database.begin() as connection:
        new = await Leases(connection).take_over(APPLY, replace(ME, id="other"), now=1, ttl=15)
    async with database.begin() as connection:
        with pytest.raises(LockedError):
            await Journal(connection).move("one", JournalEvent.SEND, now=2, token=old.token)
        with pytest.raises(LockedError):
            await Journal(connection).create(make_entry("two"), token=old.token)
        assert await Journal(connection).move("one", JournalEvent.SEND, now=2, token=new.token) is JournalState.SENDING


async def test_entries_are_listed_by_what_is_left_to_do(database, make_entry):
    async with database.begin() as connection:
        for created, state in enumerate(JournalState):
            await Journal(connection).create(replace(make_entry(state.value, created=created), state=state))
        unfinished = await Journal(connection).unfinished()
        unproven = await Journal(connection).unproven()
        everything = await Journal(connection).list(100)
    order = list(JournalState)
    assert [entry.state for entry in unfinished] == [state for state in order if state in UNFINISHED]
    assert [entry.state for entry in unproven] == [JournalState.SEEN]
    assert [entry.state for entry in everything] == order[::-1]
    assert not COMMITTED & {entry.state for entry in unfinished}


async def test_the_list_ends_at_its_limit_with_the_oldest(database, make_entry):
    async with database.begin() as connection:
        for number in range(3):
            await Journal(connection).create(make_entry(f"entry {number}", created=number))
        assert [entry.id for entry in await Journal(connection).list(2)] == ["entry 2", "entry 1"]


async def test_what_was_spent_since_is_known_and_void_entries_spent_nothing(database, journalled):
    async with database.begin() as connection:
        journal = Journal(connection)
        assert await journal.spent_since(0) == 0
        for at, entry in enumerate(("before", "then", "after", "void")):
            await journalled(connection, entry, created=100 + at, spent=10**at)
        await journal.move("void", JournalEvent.ABANDON, now=200, token=None)
        assert await journal.spent_since(101) == 110
        assert (await journal.get("after")).spent == 100
