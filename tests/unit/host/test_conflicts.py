"""Two transactions for one coin (PROTOCOL §4): both kept, one shown, the proven one stays."""

from __future__ import annotations

import pytest

from reconciler.model.errors import RefusedError
from reconciler.wire.submission import Submission


@pytest.fixture
async def rivals(world, make_dataset):
    """Two publications that spend the same coin, neither of them sent anywhere."""
    money = await world.coin(world.keys())
    return [await world.publish(make_dataset(world.keys(), name), money=money) for name in ("first", "second")]


async def child_of(world, parent, make_dataset, name):
    """Replaces the parent's token, and spends its change."""
    from types import SimpleNamespace

    money = SimpleNamespace(coin=parent.change, beef=parent.beef)
    return await world.publish(make_dataset(world.keys(), name), money=money, replacing=[(parent, 0)])


async def test_of_two_unproven_rivals_the_first_seen_is_shown(world, rivals):
    for rival in rivals:
        assert (await world.submit(rival)).outputs == (0,)

    assert await world.names(history=True) == ["first"]


async def test_a_proof_for_the_second_evicts_the_first_with_its_descendants(world, rivals, make_dataset):
    first, second = rivals
    heir = await child_of(world, first, make_dataset, "heir")
    for each in (first, heir, second):
        await world.submit(each)
    assert await world.names(history=True) == ["heir", "first"]
    await world.send(second)
    await world.ledger.mine()

    assert await world.names(history=True) == ["second"]


async def test_a_proof_for_the_first_evicts_the_second_for_good(world, rivals):
    first, second = rivals
    for rival in rivals:
        await world.submit(rival)
    await world.send(first)
    await world.ledger.mine()
    assert await world.names() == ["first"]

    with pytest.raises(RefusedError, match="which is mined"):
        await world.submit(second)

    assert await world.names(history=True) == ["first"]


async def test_what_descends_from_a_shadowed_transaction_is_shadowed_until_that_one_wins(world, rivals, make_dataset):
    first, second = rivals
    heir = await child_of(world, second, make_dataset, "heir")
    for each in (first, second, heir):
        await world.submit(each)
    assert await world.names(history=True) == ["first"]
    await world.send(second)
    await world.ledger.mine()

    assert await world.names() == ["heir"]
    assert await world.names(history=True) == ["heir", "second"]


async def test_a_submission_that_brings_its_proof_wins_at_once(world, rivals):
    first, second = rivals
    await world.submit(first)
    await world.send(second)
    await world.ledger.mine()
    proven = (await world.proven(second)).to_atomic(second.transaction.txid)

    await world.host.submit(Submission(proven, ("tm_data_catalog",), second.submission().off_chain))

    assert await world.names(history=True) == ["second"]


async def test_a_mined_descendant_proves_its_shadowed_ancestor_too(world, rivals, make_dataset):
    first, second = rivals
    heir = await child_of(world, second, make_dataset, "heir")
    await world.submit(first)
    await world.submit(second)
    await world.send(heir)
    await world.ledger.mine()
    proven = (await world.proven(heir)).to_atomic(heir.transaction.txid)

    await world.host.submit(Submission(proven, ("tm_data_catalog",), heir.submission().off_chain))

    assert await world.names() == ["heir"]
    assert await world.names(history=True) == ["heir", "second"]


async def test_a_shadowed_rival_does_not_take_away_what_it_spends(world, make_dataset):
    base = await world.publish(make_dataset(world.keys(), "base"))
    await world.submit(base)
    money = await world.coin(world.keys())
    keeps = await world.publish(make_dataset(world.keys(), "keeps"), money=money)
    takes = await world.publish(make_dataset(world.keys(), "takes"), money=money, replacing=[(base, 0)])
    await world.submit(keeps)
    await world.submit(takes)

    assert sorted(await world.names()) == ["base", "keeps"]
