"""BRC-104: authenticated GETs of one client, signed beforehand, each answered signed and refused if it came again."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Final

from benchmarks.hosts import CONNECTIONS, Side, postgresql, row
from benchmarks.load import Question, write_requests
from benchmarks.node import peer
from benchmarks.processes import python, started
from benchmarks.setting import Row, Setting
from reconciler.clients.http import HttpClient
from reconciler.wallet.keys import Keys
from reconciler.wire.conversation import Call, Peer
from reconciler.wire.http import Reply

BUDGET: Final = 10.0
"""DESIGN §11."""

_PATH: Final = "/v1/whoami"
_FASTEST: Final = 6000
"""Requests in a second, at most: so many are signed beforehand."""


def measure(setting: Setting) -> Iterator[Row]:
    """On both databases; the reference keeps sessions in memory, and takes a request as often as it comes."""
    yield from _measure(setting, f"sqlite:///{setting.folder / 'gateway.db'}", "SQLite")
    with postgresql(setting) as url:
        if url is not None:
            yield from _measure(setting, url, "PostgreSQL")


def _measure(setting: Setting, database: str, name: str) -> Iterator[Row]:
    key = sha256(b"benchmarks: the server").hexdigest()
    with ExitStack() as stack:
        ours = python("benchmarks.gateway", {"database": database, "key": key, "folder": str(setting.folder / "parts")})
        sides = [Side("ours", stack.enter_context(started(ours, setting.folder / f"gateway {name}.log")))]
        if setting.with_peers:
            command = [*peer("authentication", setting.cache), json.dumps({"key": key})]
            log = setting.folder / f"reference {name}.log"
            sides.append(Side("reference", stack.enter_context(started(command, log))))
        _alternate(setting, sides)
        yield row(f"authenticated GET, {name}", sides, budget=BUDGET)


def _alternate(setting: Setting, sides: list[Side]) -> None:
    """Measure in turns, after a round of each that is not counted. Every request is sent once."""
    for number in range(setting.rounds + 1):
        for side in sides:
            if number <= 1:
                side.forget()
            requests = setting.folder / f"{side.name}.requests"
            count = round(setting.seconds * (_FASTEST if side is sides[0] else _FASTEST / 10))
            asyncio.run(_sign(side.server.url, requests, count))
            question = Question(
                url=side.server.url,
                requests=str(requests),
                connections=CONNECTIONS,
                seconds=setting.seconds,
                holds="x-bsv-auth-signature",
            )
            side.measure(question)


async def _sign(url: str, path: Path, count: int) -> None:
    """Shake hands, and write requests of that session."""
    client = Peer(Keys(sha256(b"benchmarks: the client").digest()), randomness=secrets.token_bytes)
    async with HttpClient() as http:
        await _answer(client.shake_hands(), http, url)
    write_requests(path, (_request(next(client.exchange(Call(method="GET", target=_PATH)))) for _ in range(count)))


async def _answer(conversation: Generator[Call, Reply | None, object], http: HttpClient, url: str) -> None:
    call = next(conversation)
    reply = await http.request(call.method, url + call.target, headers=call.headers, content=call.body)
    try:
        conversation.send(reply)
    except StopIteration:
        return


def _request(call: Call) -> bytes:
    lines = [f"{call.method} {call.target} HTTP/1.1", "host: localhost"]
    lines += (f"{name}: {value}" for name, value in call.headers.items())
    return "\r\n".join((*lines, "", "")).encode()
