"""A large set, killed anywhere, seen from another machine, and given back: whole or not at all, and every satoshi is known."""

from __future__ import annotations

import contextlib
import json
from collections import Counter

import pytest

from reconciler.apply.batches import until_mined
from reconciler.apply.books import Books
from reconciler.apply.events import Event, Moved, Step
from reconciler.cli.wiring import clock
from reconciler.model.errors import (
    LockedError,
    PartialError,
    RefusedError,
    StalePlanError,
    StateError,
    UnreachableError,
)
from reconciler.model.journal import EntryRole, JournalState
from reconciler.plan.document import plan_id
from reconciler.plan.options import PlanOptions
from reconciler.store.coins import Coins
from reconciler.store.journal import Journal
from reconciler.wire.http import Reply

pytestmark = pytest.mark.long

BATCH = 2
NAMES = "abcd"
ENTRIES = ("lock", "batch-0", "batch-1", "root")
STATES = (JournalState.PREPARED, JournalState.SENDING, JournalState.SEEN)


def write(producer, text):
    for name in NAMES:
        producer.data(f"{name}.csv", f"id,value\n{name},{text}\n")


async def converged(producer, *, elsewhere=0):
    """Apply again until done, as a machine that starts anew would; then everything adds up. The generation."""
    foreseen = await producer.plan(batch=BATCH)
    finished = await producer.apply(batch=BATCH)
    assert plan_id(foreseen.plan) == plan_id(finished.planned.plan), "plan looks past what is unfinished"
    assert finished.planned.funded == 0, "the wallet had enough"
    assert not finished.recovered.failed
    return await settled(producer, elsewhere=elsewhere)


async def settled(producer, *, elsewhere=0):
    """Everything adds up: one truth, told by everybody, nothing pending, no satoshi lost. The generation.

    `elsewhere` are satoshis of fees that another machine paid.
    """
    assert (await producer.plan(batch=BATCH)).plan.is_empty
    audited = await producer.audit()
    assert audited.differences == ()
    assert (audited.in_flight, audited.balance.locked) == ((), 0)
    assert audited.tokens == len(NAMES) + 1
    async with producer.site() as site, site.database.begin() as connection:
        coins = await Coins(connection).all()
    received = sum(coin.satoshis for coin in coins if coin.key.key_id == "funding" and coin.created_by is None)
    held = audited.balance.total + audited.tokens
    assert not received or received == held + audited.fees + elsewhere, "a satoshi is lost"
    catalog = await producer.catalog()
    assert len(catalog.records) == len(NAMES)
    assert catalog.strays == ()
    assert catalog.live.document.pending is None
    return int(catalog.root.generation)


def check_converges(producer):
    generation = producer.in_child(lambda: converged(producer))
    assert generation is not None
    return generation


def killing_at(kill, entry, state):
    """A listener that ends the process when the `entry`th entry of an apply, in order of writing, is in `state`."""
    entries = []

    def tell(event):
        if isinstance(event, Moved):
            if event.state is JournalState.PREPARED:
                entries.append(event.entry)
            if event.entry in entries[entry : entry + 1] and event.state is state:
                kill()

    return tell


def applying(producer, **options):
    async def work():
        return (await producer.apply(batch=BATCH, **options)).planned.plan.generation

    return work


@pytest.mark.parametrize(
    ("entry", "state"), [(0, JournalState.PREPARED), (0, JournalState.SENDING), (2, JournalState.SEEN)]
)
def test_a_killed_genesis_loses_nothing(producer, kill, entry, state):
    write(producer, "first")
    assert producer.in_child(applying(producer, tell=killing_at(kill, entry, state))) is None
    assert check_converges(producer) == 1


@pytest.mark.parametrize("state", STATES)
def test_a_kill_in_any_state_of_any_entry_loses_nothing(producer, kill, state):
    write(producer, "first")
    producer.in_child(applying(producer))
    for generation, entry in enumerate(ENTRIES, start=2):
        write(producer, f"after {entry}")
        assert producer.in_child(applying(producer, tell=killing_at(kill, ENTRIES.index(entry), state))) is None
        assert check_converges(producer) == generation


@pytest.mark.parametrize("place", ["a sweep at ARC", "a delivery"])
def test_a_kill_while_sweeping_and_telling_loses_nothing(producer, kill, place):
    write(producer, "first")
    producer.in_child(applying(producer))
    write(producer, "second")
    entries = []

    def tell(event):
        if isinstance(event, Moved) and event.state is JournalState.SEEN:
            entries.append(event.entry)
        elif isinstance(event, Event) and len(entries) == len(ENTRIES):
            is_sweep = event.step is Step.BROADCAST and event.subject not in entries
            if is_sweep if place == "a sweep at ARC" else event.step is Step.DELIVER:
                kill()

    assert producer.in_child(applying(producer, tell=tell)) is None
    assert check_converges(producer) == 2


def test_another_machine_is_told_who_applies_and_gives_the_lock_back_only_when_it_is_told_to(twins, kill):
    first, second = twins
    write(first, "one")
    write(second, "one")
    first.in_child(applying(first))
    write(first, "two")

    assert first.in_child(applying(first, tell=killing_at(kill, 2, JournalState.SENDING))) is None

    async def elsewhere():
        for attempt in (second.plan, second.apply):
            with pytest.raises(
                LockedError, match=r"the root is held by \S+:\d+ for \d+ seconds: an apply of 2 batches"
            ):
                await attempt(batch=BATCH)
        given = await unlock(second)
        assert given.applied.generation == 2
        assert [transaction.name for transaction in given.planned.plan.transactions] == ["root"]
        assert await settled(second) == 2
        with pytest.raises(StateError, match="no apply of another machine holds the root"):
            await unlock(second)
        return given.planned.plan.cost.fee_satoshis

    async def back():
        """The one that was killed comes back: its batches have lost, and it reads what is live anew."""
        try:
            await first.apply(batch=BATCH)
        except StalePlanError:
            await mine(first)
        return await converged(first, elsewhere=fee)

    fee = second.in_child(elsewhere)
    assert first.in_child(back) == 3


async def unlock(producer):
    async def agree(_):
        return True

    async with producer.site() as site:
        reconciler, desired = await producer.reconciler(site)
        return await reconciler.unlock(desired, PlanOptions(batch=BATCH), agree=agree, halted=lambda: False)


async def mine(producer):
    async with producer.site() as site:
        await site.http.request("POST", f"{site.endpoints.arc}/mine?blocks=1")


async def test_what_this_machine_began_it_finishes_instead_of_giving_it_back(producer, kill):
    write(producer, "one")
    assert producer.in_child(applying(producer, tell=killing_at(kill, 1, JournalState.SENDING))) is None

    async def again():
        with pytest.raises(StateError, match="no apply of another machine holds the root"):
            await unlock(producer)
        return await settled(producer)

    assert producer.in_child(again) == 1


async def test_a_machine_without_a_past_reads_what_is_live_while_sweeps_are_out_and_sweeps_itself(twins, door):
    """The one that applied is gone between the root and its sweeps: the root's sealed document says what is to be swept."""
    first, second = twins
    for each in twins:
        write(each, "one")
    await first.apply(batch=BATCH)
    for each in twins:
        write(each, "two")
    roots = []

    def no_sweeps(method, url):
        if method == "POST" and "/v1/tx" in url:
            roots.append(url)
            if len(roots) > len(ENTRIES):
                raise UnreachableError("ARC is gone")

    finished = await first.apply(batch=BATCH, http=lambda http: door(http, before=no_sweeps))
    assert finished.applied.undelivered
    catalog = await second.catalog()
    assert (len(catalog.records), len(catalog.strays)) == (len(NAMES), len(NAMES))
    assert (await second.plan(batch=BATCH)).plan.is_empty
    write(second, "three")
    await second.apply(batch=100)
    assert await settled(second) == 3


def test_a_genesis_that_is_given_back_leaves_a_root_that_says_nothing_and_the_next_apply_publishes(twins, kill):
    first, second = twins
    for each in twins:
        write(each, "one")
    assert first.in_child(applying(first, tell=killing_at(kill, 1, JournalState.SEEN))) is None

    async def elsewhere():
        given = await unlock(second)
        assert given.applied.generation == 1
        catalog = await second.catalog()
        assert (catalog.records, catalog.strays, catalog.live.document.public) == ((), (), {})
        audited = await second.audit()
        assert (audited.differences, audited.tokens) == ((), 1)
        return await converged(second)

    assert second.in_child(elsewhere) == 2


async def test_the_root_of_very_many_batches_waits_for_their_blocks(producer):
    write(producer, "one")
    await producer.apply(batch=BATCH)
    async with producer.site() as site:
        reconciler, _ = await producer.reconciler(site)
        books = Books(database=site.database, token=None, tell=reconciler.tell)
        world = reconciler.world
        async with site.database.begin() as connection:
            root = next(entry for entry in await Journal(connection).list(9) if entry.role is EntryRole.ROOT)

        async def wait(**limits):
            await until_mined(
                root, books=books, arc=world.arc, proofs=world.headers, now=lambda: int(clock()), **limits
            )

        await wait()
        with pytest.raises(PartialError, match="2 of 2 batches are in no block yet"):
            await wait(most=1, patience=0)
        await wait(most=1)
        async with site.database.begin() as connection:
            batches = await Journal(connection).batches(root)
    assert batches == (JournalState.MINED, JournalState.MINED)


REFUSAL = Reply(
    "", 461, {"content-type": "application/json"}, json.dumps({"status": 461, "detail": "the miner says no"}).encode()
)


def refusing(entry):
    """ARC judges what it is given as the `entry`th, from 0, and does not take it; all others it takes."""
    given = iter(range(1_000))

    def before(method, url):
        return REFUSAL if method == "POST" and "/v1/tx" in url and next(given) == entry else None

    return before


@pytest.mark.parametrize("entry", range(len(ENTRIES)), ids=ENTRIES)
async def test_a_member_of_a_set_that_arc_refuses_once_is_published_in_the_end(producer, door, entry):
    write(producer, "one")
    await producer.apply(batch=BATCH)
    write(producer, "two")
    with contextlib.suppress(StalePlanError, RefusedError):
        await producer.apply(batch=BATCH, http=lambda http: door(http, before=refusing(entry)))
    await producer.apply(batch=BATCH)
    catalog = await producer.catalog()
    assert (catalog.strays, catalog.live.document.pending) == ((), None)
    assert (await producer.plan(batch=BATCH)).plan.is_empty
    audited = await producer.audit()
    assert (audited.differences, audited.in_flight, audited.tokens) == ((), (), len(NAMES) + 1)


async def test_a_thousand_records_are_published_at_once_and_found(producer):
    producer.write(producer.manifest.read_text() + RULE)
    for number in range(1_000):
        producer.data(f"{number:04}.csv", "id,value\n1,thousand\n")  # the records are meant, not a thousand uploads
    finished = await producer.apply()
    assert Counter(each.role for each in finished.planned.plan.transactions) == {"lock": 1, "batch": 11, "root": 1}
    assert not any(finished.applied.missing.values())
    assert len((await producer.catalog()).records) == 1_002
    assert (await producer.plan()).plan.is_empty
    audited = await producer.audit()
    assert (audited.differences, audited.tokens) == ((), 1_003)


RULE = """\
---
apiVersion: overlay/v1
kind: ReplicationRule
metadata: {name: one}
spec: {replicas: 1, selector: {matchTags: [test]}}
"""


async def test_a_set_that_arc_never_takes_is_given_back_on_the_machine_that_began_it(producer, door):
    write(producer, "one")
    await producer.apply(batch=BATCH)
    write(producer, "two")
    taken = []

    def before(method, url):
        if method == "POST" and "/v1/tx" in url and taken is not None:
            taken.append(url)
            return REFUSAL if len(taken) > 2 else None
        return None

    def tell(event):
        nonlocal taken
        if isinstance(event, Moved) and event.state is JournalState.REFUSED:
            taken = None

    async def agree(_):
        return True

    for _ in range(2):
        with pytest.raises(RefusedError, match="does not take what the pending root waits for"):
            await producer.apply(batch=BATCH, http=lambda http: door(http, before=before))
    async with producer.site() as site:
        reconciler, desired = await producer.reconciler(site, tell=tell, http=lambda http: door(http, before=before))
        given = await reconciler.unlock(desired, PlanOptions(batch=BATCH), agree=agree, halted=lambda: False)
    assert given.applied.generation == 2
    assert taken is None
    assert (await producer.audit()).differences == ()
    assert await converged(producer) == 3
