"""A host that was away for thousands of transactions catches up over HTTP, is killed on the way, and goes on where it was."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.devnet.arc import build_app as build_arc
from reconciler.host.app import build_app
from reconciler.host.engine import Engine
from reconciler.host.lookups.data_catalog import DataCatalogLookup
from reconciler.host.proofs import Proofs
from reconciler.host.topics.data_catalog import DataCatalogTopic
from reconciler.model.amounts import Satoshis
from reconciler.model.keys import FUNDING_KEY
from reconciler.store.database import Database
from reconciler.store.outputs import Outputs
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.web.server import Door, serving
from reconciler.wire.beef import Beef, BeefTx, merge
from reconciler.wire.gasp import NODE
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import Transaction, TxOutput
from tests.unit.host.conftest import World, dataset

pytestmark = [pytest.mark.long, pytest.mark.only("sqlite")]

TRANSACTIONS = 3_000
UNPROVEN = 200
"""Of them, the last."""

KILLED_AFTER = 1_200
MEBIBYTES = 200
TOPIC = "tm_data_catalog"
ROOT = Path(__file__).parents[2]


class Counting:
    """An app that counts the nodes it is asked for, and says when there have been so many."""

    def __init__(self, app: ASGIApp, mark: int) -> None:
        self.app = app
        self.nodes = 0
        self.reached = asyncio.Event()
        self._mark = mark

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == NODE:
            self.nodes += 1
            if self.nodes == self._mark:
                self.reached.set()
        await self.app(scope, receive, send)


async def coins(world: World, number: int) -> tuple[list[Spendable], Beef]:
    """So many coins, by two generations of proven transactions."""
    keys = world.keys()
    locking = p2pkh(keys.public(FUNDING_KEY))
    money = await world.coin(keys, 10_000_000)
    width = 100
    share = 9_900_000 // (number // width)
    first = signed([money.coin], [TxOutput(Satoshis(share), locking)] * (number // width), keys)
    await world.ledger.submit(first, [money.coin.output])
    made = []
    for vout in range(number // width):
        coin = Spendable(first.outpoint(vout), first.outputs[vout], FUNDING_KEY, Lock.P2PKH)
        made.append(signed([coin], [TxOutput(Satoshis(share // width - 10), locking)] * width, keys))
        await world.ledger.submit(made[-1], [coin.output])
    await world.ledger.mine()
    beef = merge([await world.ledger.beef(each.txid) for each in made])
    spendable = [
        Spendable(each.outpoint(vout), output, FUNDING_KEY, Lock.P2PKH)
        for each in made
        for vout, output in enumerate(each.outputs)
    ]
    return spendable, beef


def publish(world: World, number: int, coin: Spendable) -> tuple[Transaction, bytes]:
    """A record in a transaction of its own."""
    keys = world.keys()
    document = dataset(keys, f"record-{number}", title=f"Record {number}")
    token = world.token(keys, document, coin.outpoint)
    change = TxOutput(Satoshis(coin.output.satoshis - 200), p2pkh(keys.public(FUNDING_KEY)))
    return signed([coin], [token, change], keys), document


async def fill(world: World, engine: Engine) -> None:
    """A record in each transaction, all but the last of them mined, at a host."""
    money, proofs = await coins(world, TRANSACTIONS)
    made = [publish(world, number, coin) for number, coin in enumerate(money)]
    last = TRANSACTIONS - UNPROVEN
    for start in range(0, TRANSACTIONS, 200):  # a block each: a proof is made from all of its transactions
        some = made[start : start + 200]
        for (transaction, _), coin in zip(some if start < last else (), money[start:], strict=False):
            await world.ledger.submit(transaction, [coin.output])
        await world.ledger.mine()
        await take(world, engine, proofs, some, mined=start < last)


async def take(
    world: World, engine: Engine, proofs: Beef, made: Sequence[tuple[Transaction, bytes]], *, mined: bool
) -> None:
    txids = [transaction.txid for transaction, _ in made]
    if mined:
        beef = merge([await world.ledger.beef(txid) for txid in txids])
    else:
        parents = {spent.outpoint.txid for transaction, _ in made for spent in transaction.inputs}
        entries = [proofs.transactions[parent] for parent in parents]
        beef = Beef.of(proofs.bumps, [*entries, *(BeefTx(transaction) for transaction, _ in made)])
    wanted = [transaction.outpoint(0) for transaction, _ in made]
    await engine.take(TOPIC, beef, txids, wanted=wanted, documents=[document for _, document in made])


async def kept(database: Database) -> dict[str, bool]:
    async with database.reading() as connection:
        listed = await Outputs(connection).unspent(TOPIC, 0, 2 * TRANSACTIONS)
        found = await Outputs(connection).admitted(TOPIC, [each.outpoint for each in listed])
    return {str(outpoint): output.complete for outpoint, output in found.items()}


async def test_a_host_catches_up_with_thousands_of_transactions(tmp_path, databases, request, capsys):
    here, there = Database.open(databases.create()), databases.create()
    world = World(tmp_path, here, request.node.name)
    async with world.ledger, world.http:
        topics, lookups = [DataCatalogTopic()], [DataCatalogLookup()]
        engine = Engine(
            database=here,
            chain=world.headers,
            proofs=Proofs(database=here, chain=world.headers, statuses=world.arc, clock=world.clock),
            topics=topics,
            lookups=lookups,
            clock=world.clock,
        )
        begun = time.perf_counter()
        await fill(world, engine)
        filled = time.perf_counter() - begun
        app = build_app(
            database=here,
            headers=world.headers,
            arc=world.arc,
            clock=world.clock,
            topics=topics,
            lookups=lookups,
            refresh_every=3600,
        )
        host = Counting(app, KILLED_AFTER)
        chain = build_arc(ledger=world.ledger, clock=world.clock)
        doors = [Door(app=each, host="127.0.0.1", port=0) for each in (host, chain)]
        async with serving(doors) as urls:
            first = await started(there, *urls)
            await host.reached.wait()
            first.kill()
            await first.wait()
            half = Database.open(there)
            before = await kept(half)
            second = await started(there, *urls)
            said, _ = await second.communicate()
            assert second.returncode == 0
            result = json.loads(said)
        assert 0 < len(before) < TRANSACTIONS
        assert result["taken"] >= TRANSACTIONS - len(before)
        assert await kept(half) == await kept(here) == dict.fromkeys(await kept(here), True)
        assert len(await kept(half)) == TRANSACTIONS
        assert (
            host.nodes < TRANSACTIONS + 600
        )  # what was fetched and not written when it was killed; parents of the unproven
        assert result["mebibytes"] < MEBIBYTES
        await half.close()
    await here.close()
    with capsys.disabled():
        sys.stdout.write(f"\nfilled in {filled:.0f} s; after a kill at {len(before)}: {result}\n")


async def started(database: str, peer: str, chain: str) -> asyncio.subprocess.Process:
    """A host in a process of its own that catches up once."""
    command = [sys.executable, "-m", "tests.integration.catching_up", database, peer, chain]
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
