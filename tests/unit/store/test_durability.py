"""What a process that is killed in the middle of a database transaction leaves behind: the state before it, whole."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from reconciler.model.journal import JournalEvent, JournalState
from reconciler.store.coins import Coins, CoinState
from reconciler.store.documents import Documents
from reconciler.store.journal import Journal
from reconciler.store.outcome import Outcome
from reconciler.store.published import Published
from reconciler.store.transactions import Transactions

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = sha256(b"a document").hexdigest()

COMMIT_POINT = """
import asyncio, sys
from reconciler.model.journal import JournalEvent
from reconciler.store.coins import Coins
from reconciler.store.database import Database
from reconciler.store.documents import Documents
from reconciler.store.journal import Journal
from reconciler.store.outcome import Outcome
from reconciler.store.published import Published

async def main():
    database = Database.open(sys.argv[1])
    async with database.begin() as connection:
        await Journal(connection).move("entry", JournalEvent.SEE, now=200, token=None)
        await Coins(connection).settle("entry")
        await Documents(connection).put(b"a document")
        await Published(connection).commit(Outcome.from_bytes(await Journal(connection).outcome("entry")))
        if sys.argv[2] == "inside":
            wait()
    wait()

def wait():
    print("ready", flush=True)
    sys.stdin.readline()

asyncio.run(main())
"""


@pytest.fixture
def outcome(make_root, make_record, identity) -> Outcome:
    return Outcome(identity=identity, root=make_root(1), upserts=(make_record("dataset/btc"),), at=1)


@pytest.fixture
async def submitted(database, make_transaction, coins_of, make_entry, outcome):
    """An entry on its way, as apply leaves it before the commit point."""
    funding = make_transaction("funding")
    spends = (funding.outpoint(0),)
    root = make_transaction("root", spends=spends, pays=(900,))
    async with database.begin() as connection:
        for transaction in (funding, root):
            await Transactions(connection).put(transaction)
        await Coins(connection).add(coins_of(funding))
        await Coins(connection).lock(spends, "entry")
        await Coins(connection).add(coins_of(root), entry="entry")
        await Journal(connection).create(make_entry("entry", root), outcome=outcome.to_bytes())
        for event in (JournalEvent.SEND, JournalEvent.ACCEPT):
            await Journal(connection).move("entry", event, now=101, token=None)
    return (*spends, root.outpoint(0))


@pytest.mark.parametrize("when", ["inside", "after"])
async def test_killed_at_the_commit_point_all_of_it_happened_or_nothing(database, database_url, submitted, when):
    command = [sys.executable, "-c", COMMIT_POINT, database_url, when]
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, cwd=ROOT)
    assert await process.stdout.readline() == b"ready\n"
    process.kill()
    await process.wait()
    async with database.begin() as connection:
        entry = await Journal(connection).get("entry")
        coins = await Coins(connection).get(submitted)
        root = await Published(connection).root()
        records = await Published(connection).records()
        missing = await Documents(connection).missing([DOCUMENT])
    done = when == "after"
    assert entry.state is (JournalState.SEEN if done else JournalState.SUBMITTED)
    states = [CoinState.SPENT, CoinState.FREE] if done else [CoinState.LOCKED, CoinState.EXPECTED]
    assert [coins[outpoint].state for outpoint in submitted] == states
    assert [root is not None, bool(records), not missing] == [done] * 3
