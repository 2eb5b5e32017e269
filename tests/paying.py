"""A seller with a till on a toy chain, and buyers with real coins: for whoever tests what is paid for."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from hashlib import sha256, shake_256
from itertools import count
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.chain.arc import Arc
from reconciler.chain.headers import Headers
from reconciler.chain.ledger import Ledger
from reconciler.clients.http import HttpClient
from reconciler.devnet.arc import build_app as build_arc
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import UnreachableError
from reconciler.model.ids import IdentityKey, Txid
from reconciler.model.keys import FUNDING_KEY
from reconciler.payments.conditions import PLAIN, Conditions
from reconciler.payments.quote import Offer
from reconciler.payments.till import Till
from reconciler.store.database import Database
from reconciler.store.payments import Payment
from reconciler.store.replays import Replays
from reconciler.wallet.keys import Keys
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.web.auth import Authenticated
from reconciler.web.failures import UnauthorizedError, unauthorized
from reconciler.web.paywall import Paid, Paywall
from reconciler.web.sessions import Sessions
from reconciler.wire.beef import Beef, BeefTx, merge, parse_beef
from reconciler.wire.payment import Charge, PaymentHeader
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import Transaction, TxOutput

ARC = "http://arc.embedded"
ORIGIN = "http://shop.embedded"
PRICE = Satoshis(1000)
FEE = 100
GOOD = "dataset/btc"


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Waiting:
    """Waits without waiting; a test may have something happen meanwhile."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.meanwhile: Callable[[], object] | None = None

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if self.meanwhile is not None:
            happening = self.meanwhile()
            if hasattr(happening, "__await__"):
                await happening


def keys_of(name: str) -> Keys:
    return Keys(sha256(name.encode()).digest())


class Buyer:
    """A wallet of coins from the faucet. Satisfies clients.payment.Payer, and counts."""

    def __init__(self, ledger: Ledger, name: str) -> None:
        self._ledger = ledger
        self.keys = keys_of(name)
        self.paid: list[PaymentHeader] = []

    @property
    def identity(self) -> IdentityKey:
        return self.keys.identity

    async def coin(self, satoshis: int) -> tuple[Spendable, Beef]:
        """Money, mined."""
        funding = await self._ledger.faucet(p2pkh(self.keys.public(FUNDING_KEY)), Satoshis(satoshis))
        beef, _ = parse_beef(funding.beef)
        output = beef.transactions[funding.outpoint.txid].transaction.outputs[funding.outpoint.vout]
        return Spendable(funding.outpoint, output, FUNDING_KEY, Lock.P2PKH), beef

    def output(self, charge: Charge, satoshis: int, suffix: str = "c3VmZml4") -> TxOutput:
        """What pays a charge."""
        key = PaymentHeader.key(_Named(charge.prefix, suffix), charge.recipient)
        return TxOutput(Satoshis(satoshis), p2pkh(self.keys.public_for(key)))

    def header(self, charge: Charge, transaction: Transaction, beef: Beef, suffix: str = "c3VmZml4") -> PaymentHeader:
        """A payment by a transaction whose ancestry is `beef`."""
        parents = [replace(entry, bump=None) for entry in beef.transactions.values()]
        whole = merge([beef, Beef.of((), [*parents, BeefTx(transaction)])])
        return PaymentHeader(charge.prefix, suffix, whole, transaction.txid)

    async def pay(
        self,
        charge: Charge,
        *,
        satoshis: int | None = None,
        coin: tuple[Spendable, Beef] | None = None,
        change: int = 0,
    ) -> PaymentHeader:
        amount = charge.satoshis if satoshis is None else satoshis
        money, beef = coin or await self.coin(amount + FEE + change)
        rest = money.output.satoshis - amount - FEE
        outputs = [self.output(charge, amount)]
        if rest > 0:
            outputs.append(TxOutput(Satoshis(rest), p2pkh(self.keys.public(FUNDING_KEY))))
        payment = self.header(charge, signed([money], outputs, self.keys), beef)
        self.paid.append(payment)
        return payment


class _Named:
    """As much of a payment as names its key."""

    def __init__(self, prefix: str, suffix: str) -> None:
        self.prefix = prefix
        self.suffix = suffix


class Shop:
    """A toy chain, and tills of one seller on one database; each till is a process of its own, as far as it can tell."""

    def __init__(self, folder: Path, database: Database, name: str) -> None:
        self._name = name
        self._numbers = count()
        self.clock = Clock()
        self.waiting = Waiting()
        self.database = database
        self.ledger = Ledger(folder / "chain.db", clock=self.clock, randomness=self.randomness, block_time=0)
        self.http = HttpClient(apps={ARC: build_arc(ledger=self.ledger, clock=self.clock)})
        self.arc = Arc(self.http, ARC)
        self.headers = Headers(self.http, ARC)
        self.keys = keys_of(f"{name} seller")

    def randomness(self, size: int) -> bytes:
        return shake_256(f"{self._name} {next(self._numbers)}".encode()).digest(size)

    def till(self, **more) -> Till:
        given = {
            "database": self.database,
            "receiver": self.keys,
            "miner": self.arc,
            "chain": self.headers,
            "clock": self.clock,
            "randomness": self.randomness,
            "pause": self.waiting,
        }
        return Till(**{**given, **more})

    def buyer(self, name: str = "buyer") -> Buyer:
        return Buyer(self.ledger, f"{self._name} {name}")

    async def rival(self, buyer: Buyer, coin: tuple[Spendable, Beef]) -> Transaction:
        """Another transaction that spends a coin, back to its owner."""
        money, _ = coin
        back = TxOutput(Satoshis(money.output.satoshis - 2 * FEE), p2pkh(buyer.keys.public(FUNDING_KEY)))
        return signed([money], [back], buyer.keys)

    async def standing(self, txid: Txid) -> str | None:
        report = await self.ledger.status(txid)
        return None if report is None else report.standing.value


def offer(buyer: Buyer, good: str = GOOD, price: int = PRICE) -> Offer:
    return Offer(buyer.identity, good, Satoshis(price))


async def bring(till: Till, header: PaymentHeader, order: Offer, conditions: Conditions = PLAIN) -> Payment:
    """A payment as the paywall brings it."""
    return await till.take(header.tender(order.buyer), order, conditions)


class Away:
    """An ARC that is not there."""

    async def submit(self, beef, subject=None):
        raise UnreachableError("no route")

    async def status(self, txid):
        raise UnreachableError("no route")


class Counter:
    """A server that sells: what it was asked to serve, by payment."""

    def __init__(self, shop: Shop, **more) -> None:
        self.shop = shop
        self.price = PRICE
        self.served: list[Paid] = []
        self.keeps = False
        """Whether it serves without saying so."""
        self.paywall = Paywall(shop.till(**more))
        app = Starlette(
            routes=[Route("/goods/{name}", self.sell, methods=["GET", "POST"])],
            exception_handlers={UnauthorizedError: unauthorized},
        )
        sessions = Sessions(
            keys=shop.keys, replays=Replays(shop.database), clock=shop.clock, randomness=shop.randomness
        )
        self.app = Authenticated(app, keys=shop.keys, sessions=sessions, randomness=shop.randomness)
        shop.http.mount(ORIGIN, self.app)

    async def sell(self, request: Request) -> Response:
        admitted = await self.paywall.admit(request, f"dataset/{request.path_params['name']}", Satoshis(self.price))
        if isinstance(admitted, Response):
            return admitted
        self.served.append(admitted)
        answer = JSONResponse({"goods": admitted.payment})
        return answer if self.keeps else self.paywall.deliver(admitted, answer)


class Between:
    """Somebody we talk to; something happens before or after one of its methods is called."""

    def __init__(self, whom, *, before=None, after=None) -> None:
        self._whom = whom
        self._before = before or {}
        self._after = after or {}

    def __getattr__(self, name):
        method = getattr(self._whom, name)

        async def called(*arguments, **named):
            if name in self._before:
                await self._before[name]()
            result = await method(*arguments, **named)
            if name in self._after:
                result = await self._after[name](result)
            return result

        return called


@asynccontextmanager
async def open_shop(folder: Path, url: str, name: str) -> AsyncIterator[Shop]:
    """The shop of that name, in whichever process."""
    database = Database.open(url)
    shop = Shop(folder, database, name)
    try:
        async with shop.ledger, shop.http:
            yield shop
    finally:
        await database.close()


def in_children(*works: Callable[[], Awaitable[Any]]) -> list[Any]:
    """Run coroutine functions at the same time, each in a process of its own: their JSON results, None for those that were killed."""
    children = [_forked(work) for work in works]
    for child in children:  # all are there: off they go
        os.write(child.start, b"!")
        os.close(child.start)
    return [child.result() for child in children]


@dataclass
class _Child:
    pid: int
    start: int
    answer: int

    def result(self) -> Any:
        with os.fdopen(self.answer, "rb") as pipe:
            said = pipe.read()
        _, status = os.waitpid(self.pid, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            return None
        assert os.waitstatus_to_exitcode(status) == 0
        return json.loads(said)


def _forked(work: Callable[[], Awaitable[Any]]) -> _Child:
    waiting, start = os.pipe()
    answer, telling = os.pipe()
    pid = os.fork()
    if pid:
        os.close(waiting)
        os.close(telling)
        return _Child(pid, start, answer)
    os.close(start)
    code = 1
    try:
        os.read(waiting, 1)
        os.write(telling, json.dumps(asyncio.run(work())).encode())
        code = 0
    except BaseException:  # noqa: BLE001 - a child reports whatever ends it, and ends
        traceback.print_exc()
    finally:
        os._exit(code)


def kill() -> None:
    """End this process as power cuts do."""
    os.kill(os.getpid(), signal.SIGKILL)
