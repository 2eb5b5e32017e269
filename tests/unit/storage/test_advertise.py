"""Tokens that say what is kept: paid for, sent once, replaced, and finished after a crash."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.storage import purse
from reconciler.storage.advertise import Offer
from reconciler.store.coins import Coins
from reconciler.store.objects import Objects, StoredFile
from reconciler.store.transactions import Transactions
from reconciler.wire.canonical import sha256_hex


class Gate:
    """An overlay host that can be shut."""

    def __init__(self, host, *, shut=True, error=UnreachableError):
        self._host = host
        self.shut = shut
        self.error = error

    async def submit(self, submission):
        if self.shut:
            raise self.error("shut")
        return await self._host.submit(submission)


async def balance(world):
    async with world.databases["storage"].begin() as connection:
        return await Coins(connection).balance()


async def test_the_same_content_again_is_not_advertised_again(world, content):
    first = await world.store(content, minutes=60)
    sent = world.miner.sent

    assert await world.store(content, minutes=60) == first
    assert await world.store(content, minutes=10) == first
    assert world.miner.sent == sent == 1
    assert len(await world.adverts(sha256_hex(content))) == 1


async def test_a_longer_retention_replaces_the_token(world, content):
    await world.store(content, minutes=60)
    later = await world.store(content, minutes=120)

    (token,) = await world.adverts(sha256_hex(content))

    assert token.expires == later == int(world.clock()) - 2 + 7200


async def test_what_is_spent_is_fees_and_one_satoshi_a_token(world, content):
    await world.store(content)
    await world.store(content[::-1])

    assert world.gifts.given == 1
    spent = 100_000 - (await balance(world)).total
    assert 2 < spent < 200


async def test_those_who_wait_together_get_into_one_transaction(world):
    digests = [sha256_hex(f"{number}".encode()) for number in range(8)]
    expires = int(world.clock()) + 3600
    offers = [Offer(sha256=each, size=100, url=world.keeper.url(each), expires=expires) for each in digests]
    async with world.databases["storage"].begin() as connection:
        for each in digests:
            file = StoredFile(sha256=each, size=100, media_type="text/csv", expires=expires, name=each)
            await Objects(connection).keep(file, object_id=each[:8], uploader="y")

    await asyncio.gather(*(world.advertiser.advertise(offer) for offer in offers))

    assert world.miner.sent == 1
    for each in digests:
        assert len(await world.adverts(each)) == 1


async def test_after_a_failure_the_same_upload_goes_on_with_the_same_transaction(world, content):
    gate = Gate(world.host)
    world.serve(hosts=[gate])
    url = await world.upload_url(len(content))
    reply = await world.ask("PUT", url, content=content)
    assert (reply.status, reply.json()["code"]) == (503, "ERR_UNAVAILABLE")
    assert await world.client.listing() == {}  # not to be relied on yet
    before = await balance(world)

    gate.shut = False
    assert (await world.ask("PUT", url, content=content)).status == 200

    assert await balance(world) == before
    assert len(await world.adverts(sha256_hex(content))) == 1
    assert list(await world.client.listing()) == [sha256_hex(content)]


async def test_one_overlay_host_that_answers_is_enough(world, content):
    world.serve(hosts=[Gate(world.host, error=RefusedError), world.host])

    await world.store(content)

    assert len(await world.adverts(sha256_hex(content))) == 1


async def test_without_money_it_says_what_is_missing_and_where_to_send_it(world, content):
    world.gifts.shut = True
    with pytest.raises(UnreachableError, match="faucet is shut"):
        await world.store(content)

    world.advertiser._purse._funder = None
    reply = await world.ask("PUT", await world.upload_url(len(content)), content=content)
    assert reply.status == 503
    assert "satoshis are missing" in reply.json()["description"]
    assert world.advertiser.address in reply.json()["description"]


async def test_long_unproven_chains_are_cut_by_proofs_and_fresh_coins(world, content, monkeypatch):
    monkeypatch.setattr(purse, "_UNPROVEN", 2)
    for number in range(4):
        await world.store(content + bytes([number]))
    assert world.gifts.given == 2
    await world.ledger.mine()
    for number in range(4, 8):
        await world.store(content + bytes([number]))
    assert world.gifts.given == 2

    for number in range(8):
        assert len(await world.adverts(sha256_hex(content + bytes([number])))) == 1


async def test_a_reorg_does_not_stop_advertising_for_longer_than_a_block(world, content):
    await world.store(content)
    await world.ledger.mine()
    await world.store(content + b"1")
    await world.ledger.reorg(1)

    await world.store(content + b"2")

    await world.ledger.mine()
    assert len(await world.adverts(sha256_hex(content + b"2"))) == 1


async def test_a_reorg_that_takes_the_proof_of_its_money_does_not_stop_advertising(world, content):
    await world.store(content)
    await world.ledger.reorg(1)  # of the block with what the faucet gave

    await world.store(content + b"1")

    assert world.gifts.given == 1
    for each in (content, content + b"1"):
        assert len(await world.adverts(sha256_hex(each))) == 1


async def test_a_crash_between_writing_and_sending_loses_nothing(world, content, monkeypatch):
    class Crash(BaseException):
        pass

    async def crash(*_):
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(world.miner, "submit", crash)
        with pytest.raises(Crash):
            await world.store(content)
    async with world.databases["storage"].begin() as connection:
        (txid,) = await Objects(connection).unsent()
        assert await Transactions(connection).get(txid)

    world.serve()
    await world.store(content + b"another")  # the next round sends what was written

    assert len(await world.adverts(sha256_hex(content))) == 1


async def test_two_processes_over_one_database_make_one_token(world, content):
    digest = sha256_hex(content)
    expires = int(world.clock()) + 3600
    file = StoredFile(sha256=digest, size=len(content), media_type="text/csv", expires=expires, name=digest)
    async with world.databases["storage"].begin() as connection:
        await Objects(connection).keep(file, object_id="x", uploader="y")
    offer = Offer(sha256=digest, size=len(content), url=world.keeper.url(digest), expires=expires)
    first = world.advertiser
    world.serve()

    await asyncio.gather(first.advertise(offer), world.advertiser.advertise(offer))

    assert len(await world.adverts(digest)) == 1
