"""`python -m benchmarks.soak`: so many paid requests a second, for so long, against `overlay serve` on a local world.

Everything is a process, and real: the chain with its ARC, which mines every second; the gateway with its workers, as the
command starts them; a buyer whose every payment spends a coin of that chain. In the end the command audits the books, and
every payment must have one receipt.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar

from benchmarks.hosts import Side, postgresql
from benchmarks.load import Answer, Question, begun, write_requests
from benchmarks.material import Coin
from benchmarks.paid import Client
from benchmarks.processes import ROOT, Server, memory
from benchmarks.purchases import Purchases
from benchmarks.setting import Setting
from benchmarks.shop import GATEWAY, command, environment, stocked
from reconciler.chain.arc import Arc
from reconciler.chain.faucet import Faucet
from reconciler.clients.http import HttpClient
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import StateError
from reconciler.model.ids import Txid
from reconciler.model.keys import FUNDING_KEY
from reconciler.store.database import Database
from reconciler.store.receipts import Receipts
from reconciler.wallet.keys import Keys
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.wire.extended import Extended
from reconciler.wire.merkle import parse_path
from reconciler.wire.payment import PaymentHeader
from reconciler.wire.script import address, p2pkh
from reconciler.wire.transaction import Transaction, TxOutput

_BASE_PORT: Final = 18_080
_BUYER: Final = Keys(sha256(b"benchmarks: the client").digest())
_COIN: Final = 200_000
"""Satoshis."""
_OF_ONE: Final = 20
"""Coins that one transaction makes; each payment carries it along."""
_SPLITS: Final = 500
"""Transactions that one gift of the faucet pays for."""
_FEE: Final = 50_000
"""Of a transaction that makes coins: more than enough."""
_AT_ONCE: Final = 8
_LOOK: Final = 5.0
"""Seconds between two looks at memory."""

T = TypeVar("T")
R = TypeVar("R")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 1 where something is not as it must be."""
    asked = _parsed(arguments)
    with tempfile.TemporaryDirectory(prefix="overlay-soak-", dir=asked.folder) as name, ExitStack() as stack:
        folder = Path(name)
        database = stack.enter_context(postgresql(_setting(folder))) if asked.postgresql else None
        if asked.postgresql and database is None:
            return 1
        return _soak(asked, folder, database)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long (default 600)")
    parser.add_argument("--rate", type=float, default=100, help="paid requests a second (default 100)")
    parser.add_argument("--workers", type=int, default=2, help="processes that serve (default 2)")
    parser.add_argument("--postgresql", action="store_true", help="instead of SQLite")
    parser.add_argument("--folder", type=Path, help="where databases lie: on a real disk")
    return parser.parse_args(arguments)


def _soak(asked: argparse.Namespace, folder: Path, database: str | None) -> int:
    with ExitStack() as stack:
        world = stack.enter_context(
            serving_command(["devnet", "up", "--base-port", str(_BASE_PORT)], folder / "world", None)
        )
        home = folder / "shop"
        stocked(home, database, world.ready)
        serve = ["serve", "--network", "local", "--port", "0", "--workers", str(asked.workers)]
        server = stack.enter_context(serving_command(serve, home, database))
        payments = asyncio.run(_payments(world.ready["arc"], round(asked.rate * asked.seconds)))
        answer, seen = _paid(asked, folder, server, payments)
        _tell(f"the books are audited: {command(['wallet', 'audit', '--network', 'local'], home, database).strip()}")
        url = database or f"sqlite:///{home / 'local' / 'state.db'}"
        receipts = asyncio.run(_receipts(url, [payment.subject for payment in payments]))
    return _report(answer, seen, len(payments), receipts)


@contextmanager
def serving_command(words: Sequence[str], home: Path, database: str | None) -> Iterator[Server]:
    """A command of ours that serves, for the block; told to end as an operator would."""
    home.mkdir(exist_ok=True)
    line = [sys.executable, "-m", "reconciler.cli", "-C", str(home), *words, "--json"]
    log = home.with_name(f"{home.name}.log")
    with (
        log.open("w+") as errors,
        subprocess.Popen(
            line, cwd=ROOT, env=environment(home, database), stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        assert process.stdout is not None
        try:
            told = process.stdout.readline()
            if not told:
                raise StateError(f"{words[0]} does not start: {log.read_text()[-800:]}")
            yield Server(process, told)
        finally:
            process.terminate()
            code = process.wait()
            if code:
                _tell(f"{words[0]} has ended with exit code {code}: {log.read_text()[-800:]}")


async def _payments(arc_url: str, count: int) -> list[PaymentHeader]:
    """Made beforehand, with coins that the chain has mined."""
    _tell(f"making {count} payments")
    async with HttpClient() as http:
        coins = await _Mint(http, arc_url).coins(count)
    purchases = Purchases(purse=_BUYER, seller=GATEWAY, buyer=_BUYER, expires=int(time.time()) + 4 * 3600)
    return list(purchases.payments(coins[:count]))


class _Mint:
    """Makes coins of one gift: a transaction with many outputs, and one more for each of these."""

    def __init__(self, http: HttpClient, url: str) -> None:
        self._arc = Arc(http, url)
        self._faucet = Faucet(http, url)
        self._script = p2pkh(_BUYER.public(FUNDING_KEY))

    async def coins(self, count: int) -> list[Coin]:
        splits = -(-count // _OF_ONE)
        made: list[Transaction] = []
        for some in range(0, splits, _SPLITS):
            made += await self._splits(min(_SPLITS, splits - some))
        proofs = await _each(made, self._proof)
        return [
            Coin(0, split, proof, vout) for split, proof in zip(made, proofs, strict=True) for vout in range(_OF_ONE)
        ]

    async def _splits(self, count: int) -> list[Transaction]:
        each = _OF_ONE * _COIN + _FEE
        where = address(_BUYER.public(FUNDING_KEY), mainnet=False)
        gift = await self._faucet.fund(where, Satoshis(count * each + _FEE))
        fan = await self._sent(gift.beef.transactions[gift.txid].transaction, gift.vout, count, each)
        return await _each(range(count), lambda vout: self._sent(fan, vout, _OF_ONE, _COIN))

    async def _sent(self, parent: Transaction, vout: int, count: int, satoshis: int) -> Transaction:
        spent = parent.outputs[vout]
        coin = Spendable(parent.outpoint(vout), spent, FUNDING_KEY, Lock.P2PKH)
        made = signed([coin], [TxOutput(Satoshis(satoshis), self._script)] * count, _BUYER)
        await self._arc.send([Extended(made, (spent,))])
        return made

    async def _proof(self, transaction: Transaction) -> Any:
        while True:
            report = await self._arc.status(transaction.txid)
            if report is not None and report.merkle_path is not None:
                return parse_path(report.merkle_path).only([transaction.txid])
            await asyncio.sleep(0.5)


async def _each(items: Iterable[T], do: Callable[[T], Awaitable[R]]) -> list[R]:
    """A few at a time, in their order."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(item: T) -> R:
        async with room:
            return await do(item)

    return list(await asyncio.gather(*map(one, items)))


def _paid(
    asked: argparse.Namespace, folder: Path, server: Server, payments: Sequence[PaymentHeader]
) -> tuple[Answer, list[dict[int, int]]]:
    """The answers, and the bytes in memory of each process, look by look."""
    client = Client(Side("ours", server))
    asyncio.run(client.meet())
    path = folder / "requests"
    write_requests(path, client.requests((402, 200), payments, len(payments)))
    question = Question(
        url=server.url,
        requests=str(path),
        connections=64,
        seconds=asked.seconds,
        holds="x-bsv-auth-signature",
        statuses=(402, 200),
        patient=True,
        rate=asked.rate,
    )
    _tell(f"{asked.rate:g} paid requests a second for {asked.seconds:g} seconds")
    seen: list[dict[int, int]] = []
    with begun(question) as load:
        while load.process.poll() is None:
            seen.append({pid: memory(pid) for pid in server.pids})
            time.sleep(_LOOK)
        return load.answer(), seen


async def _receipts(url: str, txids: Sequence[Txid]) -> int:
    """How many of these payments have a receipt; a payment has one at most, and that is the database's to hold."""
    database = Database.open(url)
    try:
        return len(await database.read(lambda connection: Receipts(connection).of_payments(txids)))
    finally:
        await database.close()


def _report(answer: Answer, seen: Sequence[dict[int, int]], sent: int, receipts: int) -> int:
    milliseconds = {name: answer.quantile(part) * 1000 for name, part in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
    print(f"paid requests  {answer.sent} of {sent} in {answer.seconds:.0f} s, {answer.failed} failed {answer.why}")
    print("latency        " + ", ".join(f"{name} {value:.1f} ms" for name, value in milliseconds.items()))
    for pid in seen[0] if seen else ():
        sizes = [look[pid] / 1e6 for look in seen if look.get(pid)]
        quarters = [sizes[round(part * (len(sizes) - 1))] for part in (0, 0.25, 0.5, 0.75, 1)]
        print(f"memory of {pid:<6} " + ", ".join(f"{size:.0f}" for size in quarters) + " MB")
    print(f"receipts       {receipts} of {sent}")
    return 0 if answer.failed == 0 and answer.sent == sent == receipts else 1


def _setting(folder: Path) -> Setting:
    return Setting(folder=folder, cache=folder, rounds=1, seconds=1, with_peers=False, scale=1, tell=_tell)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
