"""More records than one transaction carries: lock, batches, commit, sweeps (PROTOCOL §4), with batches of three."""

from __future__ import annotations

from collections import Counter

import pytest

from reconciler.apply.events import Ending, Step
from reconciler.plan.options import PlanOptions
from reconciler.store.transactions import Transactions

pytestmark = pytest.mark.long  # several machines, or many transactions: .ci/run has them

BATCH = 3


def write(producer, names, *, text="id,value\n1,one\n"):
    for old in (producer.folder / "data").glob("*.csv"):
        old.unlink()
    for name in names:
        producer.data(f"{name}.csv", f"{text}{name}\n")


def roles(finished):
    return [transaction.name for transaction in finished.planned.plan.transactions]


async def records(producer):
    return sorted(str(record.observed.id) for record in (await producer.catalog()).records)


async def destroy(producer, *, tell=None, **options):
    async def agree(_):
        return True

    async with producer.site() as site:
        reconciler, desired = await producer.reconciler(site, **({} if tell is None else {"tell": tell}))
        return await reconciler.destroy(desired, PlanOptions(**options), agree=agree, halted=lambda: False)


async def test_a_large_set_is_published_changed_swept_and_destroyed(producer):
    write(producer, "abcdefg")
    first = await producer.apply(batch=BATCH)
    assert roles(first) == ["lock", "batch-0", "batch-1", "batch-2", "root"]
    assert first.applied.generation == 1
    assert not first.applied.undelivered
    assert not any(first.applied.missing.values())
    assert await records(producer) == [f"dataset/tables/data/{name}.csv" for name in "abcdefg"]
    assert (await producer.audit()).balanced
    assert (await producer.apply(batch=BATCH)).applied is None

    write(producer, "bcdefgh", text="id,value\n2,two\n")
    second = await producer.apply(batch=BATCH)
    assert Counter(name.partition("-")[0] for name in roles(second)) == {"lock": 1, "batch": 3, "root": 1, "sweep": 3}
    assert second.applied.generation == 2
    assert await records(producer) == [f"dataset/tables/data/{name}.csv" for name in "bcdefgh"]
    audit = await producer.audit()
    assert audit.balanced
    assert audit.tokens == 8
    assert (await producer.plan(batch=BATCH)).plan.is_empty

    gone = await destroy(producer, batch=BATCH)
    assert roles(gone) == ["root", "sweep-0", "sweep-1", "sweep-2", "end"]
    audit = await producer.audit()
    assert audit.balanced
    assert audit.tokens == 0


async def test_the_end_of_very_many_sweeps_waits_for_blocks_that_have_them(producer, monkeypatch):
    names = "abcdefghijkl"
    write(producer, names)
    await producer.apply(batch=1)
    monkeypatch.setattr("reconciler.apply.follow.UNPROVEN", len(names) - 1)
    told = []
    gone = await destroy(producer, tell=told.append, batch=1)

    sweeps = [f"sweep-{number}" for number in range(len(names))]
    assert roles(gone) == ["root", *sweeps, "end"]
    broadcast = [(event.ending, event.subject) for event in told if getattr(event, "step", None) is Step.BROADCAST]
    assert [ending for ending, _ in broadcast] == [Ending.DONE] * 13 + [Ending.BLOCKED, Ending.DONE]
    sent = [subject for ending, subject in broadcast if ending is Ending.DONE]
    root, *swept, end = sent
    assert broadcast[-2][1] in swept
    assert not gone.applied.undelivered
    async with producer.site() as site, site.database.begin() as connection:
        stored = await Transactions(connection).find(sent)
    assert {spending.outpoint.txid for spending in stored[end].transaction.inputs} == {root, *swept}
    assert all(stored[txid].proof for txid in swept)
    audit = await producer.audit()
    assert (audit.balanced, audit.tokens) == (True, 0)


async def test_a_set_with_advertisements_splits_its_money_first_and_advertises_last(producer):
    producer.write(
        producer.manifest.read_text().replace(
            "network: embedded", 'network: embedded\n  gateway: {url: "http://localhost:3999"}'
        )
        + ADVERTISEMENT
    )
    write(producer, "abcd")
    told = []
    finished = await producer.apply(batch=BATCH, tell=told.append)
    assert roles(finished) == ["splitter", "lock", "batch-0", "batch-1", "root", "ads"]
    broadcast = [event.subject for event in told if getattr(event, "step", None) is Step.BROADCAST]
    assert len(broadcast) == len(set(broadcast)) == 6
    assert (await producer.audit()).balanced
    assert (await producer.plan(batch=BATCH)).plan.is_empty


async def test_many_sweeps_wait_for_a_block_that_has_their_root_instead_of_each_bringing_its_batches(producer):
    names = "abcdefghijkl"
    write(producer, names)
    await producer.apply(batch=1)
    write(producer, names, text="id,value\n2,two\n")
    told = []
    swept = await producer.apply(batch=1, tell=told.append)

    assert Counter(name.partition("-")[0] for name in roles(swept)) == {"lock": 1, "batch": 12, "root": 1, "sweep": 12}
    (waited,) = [event for event in told if getattr(event, "ending", None) is Ending.BLOCKED]
    assert (waited.step, waited.subject) == (Step.BROADCAST, swept.applied.txid)
    assert not swept.applied.undelivered
    async with producer.site() as site, site.database.begin() as connection:
        root = await Transactions(connection).get(swept.applied.txid)
        assert root.proof is not None
    audit = await producer.audit()
    assert (audit.balanced, audit.tokens) == (True, 13)
    assert (await producer.plan(batch=1)).plan.is_empty
    assert (await producer.catalog()).strays == ()


ADVERTISEMENT = """\
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {name: prices}
spec: {serviceType: data-feed, capability: prices, pricing: {model: per-minute, satoshis: 20}}
"""
