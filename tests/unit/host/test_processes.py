"""Several processes serve one host's database, over HTTP: whatever is submitted to them at once, they leave one truth."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import func, select

from reconciler.clients.host import HostClient
from reconciler.clients.http import HttpClient
from reconciler.devnet.arc import build_app as build_arc
from reconciler.model.errors import RefusedError
from reconciler.store.host_tables import host_outputs, host_records, host_transactions
from reconciler.web.server import Door, serving
from reconciler.wire.record import parse
from reconciler.wire.submission import Submission

pytestmark = pytest.mark.long

SERVER = """
import asyncio, sys
from reconciler.chain.arc import Arc
from reconciler.chain.headers import Headers
from reconciler.clients.http import HttpClient
from reconciler.host.app import build_app
from reconciler.host.lookups.data_catalog import DataCatalogLookup
from reconciler.host.topics.data_catalog import DataCatalogTopic
from reconciler.store.database import Database
from reconciler.web.server import Door, serving

async def main(url, arc, now):
    database = Database.open(url)
    async with HttpClient() as http:
        app = build_app(
            database=database, headers=Headers(http, arc), arc=Arc(http, arc), clock=lambda: float(now),
            topics=[DataCatalogTopic()], lookups=[DataCatalogLookup()],
        )
        async with serving([Door(app=app, host="127.0.0.1", port=0)]) as (served,):
            print(served, flush=True)
            await asyncio.to_thread(sys.stdin.readline)
    await database.close()

asyncio.run(main(*sys.argv[1:]))
"""

PAIRS = 6


@pytest.fixture
async def hosts(world, database_url) -> AsyncIterator[list[HostClient]]:
    """Two processes, and a client of each."""
    async with AsyncExitStack() as stack:
        arc = build_arc(ledger=world.ledger, clock=world.clock)
        (chain,) = await stack.enter_async_context(serving([Door(app=arc, host="127.0.0.1", port=0)]))
        http = await stack.enter_async_context(HttpClient())
        clients = []
        for _ in range(2):
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-c", SERVER, database_url, chain, str(world.clock())),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            stack.push_async_callback(process.wait)
            stack.callback(process.kill)
            clients.append(HostClient(http, (await process.stdout.readline()).decode().strip()))
        yield clients


@pytest.fixture
async def rivals(world, make_dataset):
    """Pairs of publications that spend one coin."""
    keys = world.keys()
    coins = [await world.coin(keys) for _ in range(PAIRS)]
    return [
        [await world.publish(make_dataset(keys, f"{side}{number}"), money=coin) for side in ("a", "b")]
        for number, coin in enumerate(coins)
    ]


async def names(host):
    """What a host shows."""
    found = await host.lookup("ls_data_catalog", {"history": True})
    return sorted(parse(each.transaction.outputs[each.outpoint.vout].locking).id.name for each in found)


async def told(host, submission):
    """The STEAK, or the reason against it."""
    try:
        return (await host.submit(submission))["tm_data_catalog"]
    except RefusedError as error:
        return error.message


async def test_duplicates_and_rivals_that_come_at_once_leave_one_truth(world, hosts, rivals):
    submissions = [each.submission() for pair in rivals for each in pair]

    steaks = await asyncio.gather(*(told(host, each) for each in submissions for host in (*hosts, *hosts)))

    assert {(steak.outputs, steak.removed) for steak in steaks} == {((0,), ())}
    first, second = [await names(host) for host in hosts]
    assert first == second
    assert [name[1:] for name in sorted(first, key=lambda name: name[1:])] == [str(number) for number in range(PAIRS)]
    async with world.database.reading() as connection:
        count = select(func.count())
        admitted = await connection.scalar(count.select_from(host_outputs).where(host_outputs.c.complete))
        shadowed = await connection.scalar(
            count.select_from(host_transactions).where(host_transactions.c.shadowed.is_(True))
        )
        indexed = await connection.scalar(count.select_from(host_records))
    assert (admitted, shadowed, indexed) == (2 * PAIRS, PAIRS, 2 * PAIRS)


async def test_a_proof_at_one_process_and_the_rival_at_the_other_leave_what_is_mined(world, hosts, rivals):
    for number, pair in enumerate(rivals):
        await told(hosts[number % 2], pair[0].submission())
        await world.send(pair[1])
    await world.ledger.mine()
    proven = [
        Submission((await world.proven(mined)).to_atomic(mined.transaction.txid), ("tm_data_catalog",), off_chain)
        for _, mined in rivals
        for off_chain in [mined.submission().off_chain]
    ]

    said = await asyncio.gather(
        *(told(hosts[0], each) for each in proven),
        *(told(hosts[1], pair[0].submission()) for pair in rivals),
        *(told(hosts[1], each) for each in proven),
    )

    assert all(not isinstance(each, str) for each in (*said[:PAIRS], *said[2 * PAIRS :]))
    assert all("which is mined" in each for each in said if isinstance(each, str))
    mined = [f"b{number}" for number in range(PAIRS)]
    assert [await names(host) for host in hosts] == [mined, mined]
