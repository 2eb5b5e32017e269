from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from reconciler.chain.blocks import RESERVE, SUBSIDY
from reconciler.model.errors import StateError
from reconciler.wire.merkle import merkle_root
from tests.patience import PATIENCE

# Works until it is killed: takes money and passes it on, with everything that a world does in between.
WORKER = """
import asyncio, os, sys, time
from pathlib import Path
from reconciler.chain.ledger import Ledger

async def work(path, rounds):
    print("ready", flush=True)
    async with Ledger(Path(path), clock=time.time, randomness=os.urandom, block_time=0.001) as ledger:
        for number in range(rounds):
            funding = await ledger.faucet(bytes([0x51, 0x61]), 1_000 + number)
            await ledger.status(funding.outpoint.txid)
            if number % 5 == 0:
                await ledger.mine()
            if number % 7 == 3:
                await ledger.reorg(1, again=True)
            print(funding.outpoint.txid, flush=True)

asyncio.run(work(sys.argv[1], int(sys.argv[2])))
"""
ANYBODY = bytes([0x51, 0x61])


def start(path: Path, rounds: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, str(path), str(rounds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def check_whole(ledger) -> int:
    """The chain is a chain, every root is that of its block, and money is neither made nor lost; returns the height."""
    blocks = (await ledger.latest(10_000))[::-1]
    for parent, child in pairwise(blocks):
        assert child.header.previous == parent.header.hash
        txids = await ledger._run(lambda world, height=child.height: world.branch.transactions(height))
        assert child.header.merkle_root == merkle_root(txids)
    height = blocks[-1].height
    unspent = "SELECT sum(satoshis) FROM output WHERE spender IS NULL"
    (total,) = await ledger._run(lambda world: world.connection.execute(unspent).fetchone())
    assert total == RESERVE + (height - 1) * SUBSIDY
    return height


async def test_several_processes_share_one_world(tmp_path, new_ledger):
    path = tmp_path / "world" / "chain.db"
    workers = [start(path, 15) for _ in range(4)]
    outputs = [worker.communicate(timeout=PATIENCE)[0].split()[1:] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0, 0]
    txids = {txid for output in outputs for txid in output}
    assert len(txids) == 60
    async with new_ledger(path) as ledger:
        await ledger.mine()
        await check_whole(ledger)
        coins = await ledger.unspent(ANYBODY)
        assert {coin.outpoint.txid for coin in coins} == txids
        assert all(coin.height for coin in coins)
    assert [each.name for each in path.parent.iterdir() if each.name.startswith(".")] == []


async def test_killing_a_process_in_the_middle_hurts_nobody(tmp_path, new_ledger):
    path = tmp_path / "chain.db"
    for survived in (1, 3, 6):
        worker = start(path, 10_000)
        assert worker.stdout is not None
        told = [worker.stdout.readline().strip() for _ in range(survived + 1)]
        worker.kill()
        worker.communicate()
        async with new_ledger(path) as ledger:
            await ledger.mine()
            assert await check_whole(ledger) > survived
            coins = {coin.outpoint.txid for coin in await ledger.unspent(ANYBODY)}
            assert set(told[1:]) <= coins, "what was answered has happened"
            await ledger.faucet(ANYBODY, 1)
        integrity = sqlite3.connect(path)
        assert integrity.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        integrity.close()


async def test_worlds_born_at_once_are_one_world(tmp_path, new_ledger):
    ledgers = [new_ledger(tmp_path / "chain.db", salt=str(each)) for each in range(8)]
    ids = await asyncio.gather(*(ledger.overview() for ledger in ledgers))
    for ledger in ledgers:
        await ledger.close()
    assert len({each.network_id for each in ids}) == 1


async def test_a_world_of_another_format_is_refused(tmp_path, new_ledger):
    path = tmp_path / "chain.db"
    async with new_ledger(path) as ledger:
        await ledger.height()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StateError, match="has format 99"):
        await new_ledger(path).height()


async def test_a_file_that_is_no_world_is_refused(tmp_path, new_ledger):
    path = tmp_path / "chain.db"
    path.write_text("this is not a database" * 100)
    with pytest.raises(StateError, match="cannot be opened"):
        await new_ledger(path).height()


async def test_a_damaged_header_is_noticed_when_it_is_served(tmp_path, new_ledger):
    path = tmp_path / "chain.db"
    async with new_ledger(path) as ledger:
        await ledger.mine(3)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE block SET header = (SELECT header FROM block WHERE height = 3) WHERE height = 2")
    connection.commit()
    connection.close()
    async with new_ledger(path) as ledger:
        with pytest.raises(StateError, match="block 2"):
            await ledger.block(2)
