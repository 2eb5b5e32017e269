"""How a host learns of blocks, and of their loss."""

from __future__ import annotations

import asyncio

from reconciler.host.proofs import Proofs
from reconciler.model.errors import UnreachableError
from reconciler.wire.submission import Submission


class Statuses:
    """An ARC that says what it is told to."""

    def __init__(self, answer=None, *, fails=False):
        self.answer = answer
        self.fails = fails
        self.asked = 0
        self.heard = asyncio.Event()

    async def status(self, txid):
        self.asked += 1
        self.heard.set()
        if self.fails:
            raise UnreachableError("down")
        return self.answer


async def is_proven(world, publication) -> bool:
    (found,) = await world.found()
    return found.beef.proof(publication.transaction.txid) is not None


async def test_a_look_up_shows_the_proof_once_the_transaction_is_mined(world, make_dataset):
    publication = await world.publish(make_dataset(world.keys(), "btc"))
    await world.submit(publication)
    await world.send(publication)
    assert not await is_proven(world, publication)

    await world.ledger.mine()

    assert await is_proven(world, publication)


async def test_a_duplicate_that_brings_a_proof_leaves_it_here(world, make_dataset):
    publication = await world.publish(make_dataset(world.keys(), "btc"))
    await world.submit(publication)
    await world.send(publication)
    await world.ledger.mine()
    txid = publication.transaction.txid
    before = world.clock.now

    await world.host.submit(Submission((await world.proven(publication)).to_atomic(txid), ("tm_data_catalog",)))

    (found,) = await world.host.lookup("ls_data_catalog", {})
    assert world.clock.now == before
    assert found.beef.proof(txid) is not None


async def test_a_reorg_takes_the_proof_away_and_the_next_block_gives_another(world, make_dataset):
    publication = await world.publish(make_dataset(world.keys(), "btc"))
    await world.submit(publication)
    await world.send(publication)
    await world.ledger.mine()
    assert await is_proven(world, publication)

    await world.ledger.reorg(1)
    assert not await is_proven(world, publication)
    await world.ledger.mine()
    assert await is_proven(world, publication)


async def test_what_a_reorg_leaves_without_ancestry_is_not_shown_until_it_is_proven_again(world, make_dataset):
    publication = await world.publish(make_dataset(world.keys(), "btc"))
    await world.submit(publication)
    await world.send(publication)
    assert len(await world.found()) == 1

    await world.ledger.reorg(1)  # the block of the faucet's payment
    assert await world.found() == ()
    await world.ledger.mine()
    assert len(await world.found()) == 1


async def test_a_proof_that_the_headers_do_not_confirm_is_not_kept(world, make_dataset):
    publication = await world.publish(make_dataset(world.keys(), "btc"))
    await world.submit(publication)
    await world.send(publication)
    await world.ledger.mine()
    lie = await world.arc.status(publication.transaction.txid)
    await world.ledger.reorg(1)
    proofs = Proofs(database=world.database, chain=world.headers, statuses=Statuses(lie), clock=world.clock)

    assert publication.transaction.txid not in (await proofs.refresh()).proven


async def test_touches_ask_at_most_once_a_second_and_survive_a_silent_arc(world, make_dataset):
    await world.submit(await world.publish(make_dataset(world.keys(), "btc")))
    statuses = Statuses(fails=True)
    proofs = Proofs(database=world.database, chain=world.headers, statuses=statuses, clock=world.clock)

    await proofs.touch()
    await proofs.touch()
    assert statuses.asked == 1
    world.clock.now += 1
    await proofs.touch()
    assert statuses.asked == 2


async def test_in_the_background_rounds_follow_one_another_and_touches_are_idle(world, make_dataset):
    await world.submit(await world.publish(make_dataset(world.keys(), "btc")))
    statuses = Statuses()
    proofs = Proofs(database=world.database, chain=world.headers, statuses=statuses, clock=world.clock)
    task = asyncio.create_task(proofs.run(0))
    for _ in range(2):
        await statuses.heard.wait()
        statuses.heard.clear()
    world.clock.now += 10
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    asked = statuses.asked
    await proofs.touch()
    assert statuses.asked == asked + 1
