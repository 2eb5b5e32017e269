"""Answers that go back through former versions of a record (BRC-64)."""

from __future__ import annotations

import json

import pytest

from reconciler.host import history
from reconciler.model.errors import RefusedError
from reconciler.wire.answer import parse_answer
from reconciler.wire.beef import parse_beef
from reconciler.wire.submission import Submission

HOST = "http://public.embedded"


async def versions(world, make_dataset, count, *, mined=True, together=False):
    """So many versions of one record, each in a block of its own, or all `together` in one, or in none."""
    made = []
    for number in range(count):
        document = make_dataset(world.keys(), "btc", title=f"version {number}")
        replacing = [(made[-1], 0)] if made else []
        made.append(await world.publish(document, replacing=replacing))
        await world.submit(made[-1])
        if mined:
            await world.send(made[-1])
        if mined and not together:
            await world.ledger.mine()
            await world.found()
    if together:
        await world.ledger.mine()
    await world.found()
    return made


def linked(beef, txid):
    """The transactions that the SDK reaches from one, newest first: it links the inputs of what no path of the BEEF proves."""
    reached = [txid]
    for each in reached:
        entry = beef.transactions[each]
        if not any(bump.proves(each) for bump in beef.bumps):
            reached += [parent for parent in entry.parents if parent in beef.transactions and parent not in reached]
    return reached


def ids(made):
    return [each.transaction.txid for each in reversed(made)]


@pytest.mark.parametrize("together", [False, True])
async def test_an_answer_goes_back_as_far_as_it_was_asked(world, make_dataset, together):
    made = await versions(world, make_dataset, 5, together=together)

    for depth, reached in ((1, 2), (2, 3), (4, 5), (100, 5)):
        (found,) = await world.found(name="btc", history=depth)
        assert found.outpoint == made[-1].tokens[0].outpoint
        chain = [txid for txid in linked(found.beef, found.outpoint.txid) if txid in ids(made)]
        assert chain[:reached] == ids(made)[:reached]
        assert len(chain) == reached or together  # what stands beside another in one block is gone through with it
        await world.headers.verified(found.beef, found.outpoint.txid, now=int(world.clock()))


async def test_an_answer_without_history_leans_on_the_newest_proof(world, make_dataset):
    made = await versions(world, make_dataset, 3)

    (found,) = await world.found(name="btc")

    assert linked(found.beef, found.outpoint.txid) == ids(made)[:1]


async def test_versions_that_no_block_has_yet_are_linked_as_well(world, make_dataset):
    made = await versions(world, make_dataset, 3, mined=False)

    (found,) = await world.found(name="btc", history=2)

    assert [txid for txid in linked(found.beef, found.outpoint.txid) if txid in ids(made)] == ids(made)


async def test_the_plain_form_carries_the_same_history(world, make_dataset):
    made = await versions(world, make_dataset, 3)
    question = {"service": "ls_data_catalog", "query": {"name": "btc", "history": 2}}

    reply = await world.http.request("POST", f"{HOST}/lookup", content=json.dumps(question).encode())

    (output,) = parse_answer(reply.json())
    beef, _ = parse_beef(output.beef)
    assert beef.subject_or_last() == made[-1].transaction.txid
    assert [txid for txid in linked(beef, made[-1].transaction.txid) if txid in ids(made)] == ids(made)


async def test_of_several_records_each_goes_its_own_way_back(world, make_dataset):
    first = await world.publish(make_dataset(world.keys(), "btc"), make_dataset(world.keys(), "eth"))
    second = await world.publish(make_dataset(world.keys(), "btc", title="new"), replacing=[(first, 0)])
    for each in (first, second):
        await world.submit(each)
        await world.send(each)
        await world.ledger.mine()
        await world.found()

    found = {each.outpoint: each for each in await world.found(history=3)}

    assert found.keys() == {second.tokens[0].outpoint, first.tokens[1].outpoint}
    beef = found[second.tokens[0].outpoint].beef
    assert linked(beef, second.transaction.txid)[:1] == [second.transaction.txid]
    assert first.transaction.txid in linked(beef, second.transaction.txid)


async def test_the_limit_cuts_off_the_oldest(world, make_dataset, monkeypatch):
    made = await versions(world, make_dataset, 4)
    monkeypatch.setattr(history, "MAX_BYTES", len(made[-1].transaction.raw) * 5 // 2)

    (found,) = await world.found(name="btc", history=3)

    chain = [txid for txid in linked(found.beef, found.outpoint.txid) if txid in ids(made)]
    assert chain == ids(made)[: len(chain)]
    assert 1 < len(chain) < 4


async def test_a_line_ends_where_the_host_has_not_what_was_before(world, make_dataset):
    first, second = await versions(world, make_dataset, 2, mined=False)
    await world.send(second)
    await world.ledger.mine()
    proven = (await world.proven(second)).to_atomic(second.transaction.txid)
    async with world.database.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM host_transactions")
        await connection.exec_driver_sql("DELETE FROM transactions")
    await world.host.submit(Submission(proven, ("tm_data_catalog",), second.submission().off_chain))

    (found,) = await world.found(name="btc", history=5)

    assert linked(found.beef, found.outpoint.txid) == [second.transaction.txid]
    assert first.transaction.txid not in found.beef.transactions


async def test_a_root_goes_back_under_another_key_too(world, make_root):
    old, new = world.keys("old"), world.keys("new")
    sealed = b"sealed"
    first = await world.publish(make_root(old, sealed), keys=old, unlisted=[sealed])
    second = world.signed(
        old,
        [first.change, first.tokens[0]],
        [world.token(new, make_root(new, sealed, name="heir"), first.change.outpoint)],
        [first.beef],
        documents=(make_root(new, sealed, name="heir"), sealed),
    )
    for each in (first, second):
        await world.submit(each)

    (found,) = await world.found(kind="producer", history=1)

    assert first.transaction.txid in linked(found.beef, second.transaction.txid)


async def test_other_depths_are_refused(world):
    for depth in (0, -1, 101, 2.5, "2", [1], {"depth": 1}):
        with pytest.raises(RefusedError, match="history"):
            await world.found(history=depth)
