"""A machine that is lost for good, database and all, after the network saw its apply and before any host was told of it."""

from __future__ import annotations

import pytest

from reconciler.apply.events import Moved
from reconciler.model.errors import LockedError, StalePlanError, StateError
from reconciler.model.journal import JournalState
from reconciler.plan.options import PlanOptions

pytestmark = pytest.mark.long

BATCH = 2


def write(producer, text, names="abcd"):
    for name in names:
        producer.data(f"{name}.csv", f"id,value\n{name},{text}\n")


def killing_at(kill, entry, state):
    entries = []

    def tell(event):
        if isinstance(event, Moved):
            if event.state is JournalState.PREPARED:
                entries.append(event.entry)
            if event.entry in entries[entry : entry + 1] and event.state is state:
                kill()

    return tell


async def unlock(producer, batch):
    async def agree(_):
        return True

    async with producer.site() as site:
        reconciler, desired = await producer.reconciler(site)
        return await reconciler.unlock(desired, PlanOptions(batch=batch), agree=agree, halted=lambda: False)


async def settled(producer, batch):
    audited = await producer.audit()
    assert audited.differences == ()
    assert (audited.in_flight, audited.balance.locked) == ((), 0)
    catalog = await producer.catalog()
    assert catalog.strays == ()
    assert audited.tokens == len(catalog.records) + 1
    assert (await producer.plan(batch=batch)).plan.is_empty
    return catalog


@pytest.mark.parametrize(
    ("batch", "entry"), [(100, 0), (BATCH, 0), (BATCH, 1), (BATCH, 3)], ids=["small", "lock", "batch", "root"]
)
def test_the_root_is_taken_back_and_what_was_lost_is_published_anew(twins, kill, batch, entry):
    lost, other = twins
    for each in twins:
        write(each, "one")

    async def first():
        await lost.apply(batch=batch)
        write(lost, "two")
        await lost.apply(batch=batch, tell=killing_at(kill, entry, JournalState.SEEN))

    assert lost.in_child(first) is None

    async def elsewhere():
        write(other, "three")
        with pytest.raises((StalePlanError, LockedError), match=r"has spent the live root|is held by"):
            await other.plan(batch=batch)
        given = await unlock(other, batch)
        assert given.applied is not None
        await other.apply(batch=batch)
        catalog = await settled(other, batch)
        assert len(catalog.records) == 4
        with pytest.raises(StateError, match="no apply of another machine holds the root"):
            await unlock(other, batch)
        return 0

    assert other.in_child(elsewhere) == 0
