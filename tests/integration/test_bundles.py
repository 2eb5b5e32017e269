"""A gateway loses its database: what it was paid, and owes, comes back from storage hosts."""

from __future__ import annotations

import os

import pytest

from reconciler.chain.arc import Arc
from reconciler.chain.headers import Headers
from reconciler.cli.wiring import keys_of
from reconciler.control.bundles import SALES, SECONDS, Bundler
from reconciler.control.restore import storage_hosts
from reconciler.model.errors import RefusedError
from reconciler.model.ids import Network
from reconciler.payments.bundle import packed, unpacked
from reconciler.payments.treasury import Daily, Treasury
from reconciler.store.bundles import Bundles
from reconciler.store.payments import Payments
from reconciler.store.payouts import Payouts
from reconciler.wallet.keys import Keys

ACCESS = "/v1/datasets/one/access"


def bundler(stand, now, told=None, keys=None):
    world, keys = stand.site.world(), keys or stand.keys

    async def hosts():
        return world.storage(storage_hosts({}, world), keys)

    return Bundler(
        database=stand.site.database,
        keys=keys,
        hosts=hosts,
        index=stand.site.index(),
        clock=now,
        randomness=os.urandom,
        tell=(told if told is not None else []).append,
    )


async def payments(stand):
    async with stand.site.database.reading() as connection:
        return await Payments(connection).earned()


async def forget(stand):
    """Everything about money is gone."""
    tables = "bundled_payments payout_inputs payouts buyer_credits receipts producer_revenue payment_inputs payments"
    async with stand.site.database.begin() as connection:
        for table in tables.split():
            await connection.exec_driver_sql(f"DELETE FROM {table}")
        for table in ("producer_identities", "published_content"):
            await connection.exec_driver_sql(f"UPDATE {table} SET total_revenue_satoshis = 0")
        await connection.exec_driver_sql("DELETE FROM producer_consumers")


async def test_what_was_paid_comes_back_with_receipts_and_books_and_can_be_settled(producer, stand, now):
    given = [await stand.buyer(name).buy(ACCESS) for name in ("one", "other")]
    now.more += SECONDS
    name = await bundler(stand, now).round()
    assert name is not None
    assert await bundler(stand, now).round() is None  # nothing is left that is in no bundle
    before = await payments(stand)

    await forget(stand)
    restored = await bundler(stand, now).restore()
    assert (restored.payments, restored.spent, restored.doubts) == (2, 0, ())
    assert (await bundler(stand, now).restore()).payments == 0
    await stand.till.settle()
    after = await payments(stand)
    assert {(each.txid, each.buyer, each.good, each.coin) for each in after} == {
        (each.txid, each.buyer, each.good, each.coin) for each in before
    }
    again = [await stand.buyer(name).buy(ACCESS) for name in ("one", "other")]  # nobody pays again
    assert [each["receipt"]["id"] for each in again] == [each["receipt"]["id"] for each in given]
    assert len(await payments(stand)) == 2
    audited = await producer.audit()
    assert (audited.differences, audited.takings.revenue.satoshis) == ((), 5000)


@pytest.mark.long
async def test_what_was_settled_since_is_not_taken_for_ours_again(stand, now):
    await stand.buyer().buy(ACCESS)
    now.more += SECONDS
    await bundler(stand, now).round()
    await stand.site.toy.ledger.mine()
    now.more += 120
    await stand.till.settle()
    await treasury(stand, now).round()
    async with stand.site.database.reading() as connection:
        assert len(await Payouts(connection).standing()) == 1
    await forget(stand)
    restored = await bundler(stand, now).restore()
    assert (restored.payments, restored.spent, await payments(stand)) == (0, 1, ())


def treasury(stand, now):
    async def at_once():
        return Daily(1, None)

    http, endpoints = stand.site.http, stand.site.endpoints
    return Treasury(
        database=stand.site.database,
        keys=stand.keys,
        producer=Keys(b"\7" * 32).identity,
        miner=Arc(http, endpoints.arc),
        chain=Headers(http, endpoints.headers),
        clock=now,
        cadence=at_once,
    )


@pytest.mark.long
async def test_a_bundle_waits_for_enough_sales_or_enough_time(stand, now):
    await stand.buyer().buy(ACCESS)
    assert await bundler(stand, now).round() is None
    now.more += SECONDS
    assert await bundler(stand, now).round() is not None
    assert SALES == 50


@pytest.mark.long
async def test_nobody_else_reads_it_and_nothing_of_it_is_seen(producer, stand, now):
    await stand.buyer().buy(ACCESS)
    now.more += SECONDS
    name = await bundler(stand, now).round()
    (payment,) = await payments(stand)
    for host in (await bundler(stand, now).hosts()).values():
        found = await host.find(name)
        sealed = b"".join([chunk async for chunk in host.download(name, size=found.size)])
        assert bytes.fromhex(payment.buyer) not in sealed
        assert payment.txid.encode() not in sealed
    identity = keys_of(producer.invocation, Network.EMBEDDED, create=False)
    await forget(stand)
    assert (await bundler(stand, now, keys=identity).restore()).payments == 0


@pytest.mark.long
async def test_where_no_host_takes_it_the_next_round_tries_again(stand, now):
    await stand.buyer().buy(ACCESS)
    now.more += SECONDS
    made = bundler(stand, now)

    async def nobody():
        return {}

    hosts, made.hosts = made.hosts, nobody
    with pytest.raises(RefusedError):
        await made.round()
    made.hosts = hosts
    assert await made.round() is not None
    async with stand.site.database.reading() as connection:
        assert await Bundles(connection).waiting(10) == ()


@pytest.mark.long
async def test_a_payment_is_read_as_it_was_packed_but_for_what_the_network_has_said(stand, now):
    await stand.buyer().buy(ACCESS)
    (payment,) = await payments(stand)
    (again,) = unpacked(packed([payment]), now=7)
    assert (again.tender, again.good, again.price, again.terms, again.booked) == (
        payment.tender,
        payment.good,
        payment.price,
        payment.terms,
        7,
    )
