"""BRC-105: paid requests, each a 402 and the payment that it asks for, signed beforehand by one client.

Ours verifies every payment by SPV with a coin of its own, takes it once, and answers when it is durable and ARC has shown it.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import count, islice
from typing import Final, Self

from benchmarks.hosts import CONNECTIONS, Side, postgresql, row
from benchmarks.load import Answer, Question, ask, write_requests
from benchmarks.material import Material
from benchmarks.node import peer
from benchmarks.processes import python, started
from benchmarks.purchases import Purchases
from benchmarks.setting import Figures, Row, Setting
from benchmarks.shop import DATASET, GATEWAY, stocked
from reconciler.clients.http import HttpClient
from reconciler.wallet.keys import Keys
from reconciler.wire.conversation import Call, Peer
from reconciler.wire.http import Reply
from reconciler.wire.payment import PAYMENT_HEADER, PREFIX_HEADER, PaymentHeader

BUDGET: Final = 6.0
"""DESIGN §11."""

_KEY: Final = sha256(b"benchmarks: the server").hexdigest()
_BUYER: Final = Keys(sha256(b"benchmarks: the client").digest())
_NEVER_PAID: Final = 900_000
"""A quantity."""
_SECONDS: Final = 4 * 3600
"""For which prices hold."""
_FASTEST: Final = 800
"""Paid requests in a second, at most: so many are made beforehand."""
_RATE: Final = 100
"""Paid requests in a second, at which latencies are looked at."""
_LATE: Final = ((0.5, "p50", None), (0.95, "p95", 500.0), (0.99, "p99", 1000.0))
"""The share of requests, its name, and the milliseconds that DESIGN §11 allows."""
_WAITING: Final = 64
"""Connections at that rate: nobody waits for another one's answer."""


def measure(setting: Setting) -> Iterator[Row]:
    """On both databases, by one process and by two; the reference has one process, a wallet that takes anything, and no database."""
    stock = Stock.made(setting, round(((setting.rounds + 1) * 2 * _FASTEST + 2 * _RATE) * setting.seconds) + 10)
    for workers in setting.workers:
        yield from _measure(setting, stock, None, workers)
    for workers in setting.workers:
        with postgresql(setting) as url:
            if url is not None:
                yield from _measure(setting, stock, url, workers)


@dataclass(frozen=True, slots=True)
class Stock:
    """Payments, made once for all servers: each has a database of its own, and knows of none."""

    payments: Sequence[PaymentHeader]
    material: Material

    @classmethod
    def made(cls, setting: Setting, count: int) -> Self:
        """So many."""
        material = Material("paid")
        purchases = Purchases(purse=material.purse, seller=GATEWAY, buyer=_BUYER, expires=int(time.time()) + _SECONDS)
        setting.tell(f"making {count} payments")
        return cls(tuple(purchases.payments(material.coins(count))), material)


class Client:
    """The buyer's session with one server, and the requests that are signed in it."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.prefix: str | None = None
        """What the reference asks to be paid by; ours has sealed each good's."""
        self._peer = Peer(_BUYER, randomness=secrets.token_bytes)
        self._next = count(1)

    async def meet(self) -> None:
        """Shake hands, and see what is asked."""
        async with HttpClient() as http:
            asked = await _answered(self._peer.exchange(_call(_NEVER_PAID)), http, self.side.server.url)
        if self.side.name != "ours":
            self.prefix = asked.headers[PREFIX_HEADER]

    def asking(self, quantity: int) -> bytes:
        """The request that is answered 402."""
        return _request(next(self._peer.exchange(_call(quantity))))

    def paying(self, quantity: int, payment: PaymentHeader) -> bytes:
        """The one that pays."""
        header = payment if self.prefix is None else replace(payment, prefix=self.prefix)
        return _request(next(self._peer.exchange(_call(quantity, {PAYMENT_HEADER: header.to_text()}))))

    def requests(self, statuses: tuple[int, ...], payments: Sequence[PaymentHeader], count: int) -> Iterator[bytes]:
        """For so many purchases, those legs that are answered so; no payment is brought twice."""
        if 200 not in statuses:  # nobody pays for it, so it may be asked for again and again
            yield from (self.asking(_NEVER_PAID) for _ in range(count))
            return
        for quantity in islice(self._next, count):
            if 402 in statuses:
                yield self.asking(quantity)
            yield self.paying(quantity, payments[quantity - 1])


def _measure(setting: Setting, stock: Stock, database: str | None, workers: int) -> Iterator[Row]:
    with sides(setting, stock, database, workers, with_peers=setting.with_peers) as clients:
        for legs, statuses, budget in (
            ("paid request", (402, 200), BUDGET),
            ("402 leg", (402,), None),
            ("payment leg", (200,), None),
        ):
            _alternate(setting, stock, clients, statuses)
            yield row(f"{legs}, {title(database, workers)}", [client.side for client in clients], budget=budget)
        question = _question(setting, stock, clients[0], (402, 200), round(_RATE * setting.seconds), rate=_RATE)
        yield from limited(ask(question), f"paid request at {_RATE}/s, {title(database, workers)}", _LATE)


@contextmanager
def sides(
    setting: Setting, stock: Stock, database: str | None, workers: int, *, with_peers: bool
) -> Iterator[list[Client]]:
    """Our gateway, and the reference if it is wanted, each with a buyer who has a session."""
    home = setting.folder / secrets.token_hex(4)
    stocked(home, database)
    roots = setting.folder / "roots.json"
    roots.write_text(json.dumps(stock.material.roots), encoding="ascii")
    with ExitStack() as stack:
        world = stack.enter_context(
            started(python("benchmarks.world", {"roots": str(roots)}), setting.folder / "world.log")
        )
        question = {"home": str(home), "database": database, "world": world.url, "workers": workers}
        ours = started(python("benchmarks.shop", question), setting.folder / "shop.log")
        found = [Side("ours", stack.enter_context(ours))]
        if with_peers:
            command = [*peer("payment", setting.cache), json.dumps({"key": _KEY, "price": 1000})]
            found.append(Side("reference", stack.enter_context(started(command, setting.folder / "reference.log"))))
        clients = [Client(side) for side in found]
        for client in clients:
            asyncio.run(client.meet())
        yield clients


def _alternate(setting: Setting, stock: Stock, clients: Sequence[Client], statuses: tuple[int, ...]) -> None:
    """Measure in turns, after a round of each that is not counted. Every request is sent once."""
    for number in range(setting.rounds + 1):
        for client in clients:
            if number <= 1:
                client.side.forget()
            fastest = _FASTEST if client.side.name == "ours" else _FASTEST / 4
            question = _question(setting, stock, client, statuses, round(setting.seconds * fastest))
            client.side.measure(question)


def _question(
    setting: Setting, stock: Stock, client: Client, statuses: tuple[int, ...], count: int, *, rate: float = 0
) -> Question:
    path = setting.folder / f"{client.side.name}.requests"
    write_requests(path, client.requests(statuses, stock.payments, count))
    return Question(
        url=client.side.server.url,
        requests=str(path),
        connections=_WAITING if rate else CONNECTIONS,
        seconds=setting.seconds,
        holds="x-bsv-auth-signature",
        statuses=statuses,
        rate=rate,
    )


def limited(answer: Answer, work: str, late: Sequence[tuple[float, str, float | None]]) -> Iterator[Row]:
    """What shares of requests have waited, and whether that is within limits: share, name, milliseconds at most."""
    for part, which, limit in late:
        milliseconds = answer.quantile(part) * 1000
        yield Row(
            work=f"{work}, {which}",
            ours=Figures((milliseconds,), "ms"),
            ratio=limit / milliseconds if limit else None,
            budget=1 if limit else None,
            note=f"at most {limit:g} ms" if limit else "",
        )


def title(database: str | None, workers: int) -> str:
    """What is measured, for people."""
    return f"{'PostgreSQL' if database else 'SQLite'}, {workers} worker{'s' * (workers > 1)}"


def _call(quantity: int, headers: Mapping[str, str] | None = None) -> Call:
    return Call(
        method="POST",
        target=f"/v1/datasets/{DATASET}/access",
        headers={"content-type": "application/json", **(headers or {})},
        body=b'{"quantity":%d}' % quantity,
    )


async def _answered(conversation: Generator[Call, Reply | None, Reply], http: HttpClient, url: str) -> Reply:
    call = next(conversation)
    while True:
        reply = await http.request(call.method, url + call.target, headers=call.headers, content=call.body)
        try:
            call = conversation.send(reply)
        except StopIteration as ended:
            answer: Reply = ended.value
            return answer


def _request(call: Call) -> bytes:
    lines = [f"{call.method} {call.target} HTTP/1.1", "host: localhost", f"content-length: {len(call.body)}"]
    lines += (f"{name}: {value}" for name, value in call.headers.items())
    return "\r\n".join((*lines, "", "")).encode() + call.body
