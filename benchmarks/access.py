"""Access to paid content at a rate: receipt, key and places again for what was paid for, each request signed and counted once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchmarks.hosts import postgresql
from benchmarks.load import Answer, Question, ask, write_requests
from benchmarks.paid import Client, Stock, limited, sides, title
from benchmarks.setting import Figures, Row, Setting

_RATE: Final = 50
"""Requests in a second."""
_WAITING: Final = 32
"""Connections: nobody waits for another one's answer."""
_LATE: Final = ((0.5, "p50", None), (0.95, "p95", 500.0))
"""The share of requests, its name, and the milliseconds that DESIGN §11 allows."""
_SUCCESS: Final = 0.99


def measure(setting: Setting) -> Iterator[Row]:
    """On both databases, by one process and by two."""
    stock = Stock.made(setting, 1)
    for workers in setting.workers:
        yield from _measure(setting, stock, None, workers)
    for workers in setting.workers:
        with postgresql(setting) as url:
            if url is not None:
                yield from _measure(setting, stock, url, workers)


def _measure(setting: Setting, stock: Stock, database: str | None, workers: int) -> Iterator[Row]:
    with sides(setting, stock, database, workers, with_peers=False) as (client,):
        paid = [client.paying(1, stock.payments[0])]
        ask(_question(setting, client, paid))
        count = max(1, round(setting.seconds * setting.rounds * _RATE))
        answer = ask(_question(setting, client, [client.asking(1) for _ in range(count)]))
    yield from limited(answer, f"access at {_RATE}/s, {title(database, workers)}", _LATE)
    yield _successful(answer, f"access at {_RATE}/s, {title(database, workers)}, successful")


def _question(setting: Setting, client: Client, requests: list[bytes]) -> Question:
    path = setting.folder / "access.requests"
    write_requests(path, requests)
    return Question(
        url=client.side.server.url,
        requests=str(path),
        connections=_WAITING,
        seconds=setting.seconds * setting.rounds,
        holds='"key":"',
        patient=True,
        rate=_RATE,
    )


def _successful(answer: Answer, work: str) -> Row:
    part = 1 - answer.failed / answer.sent
    return Row(
        work=work,
        ours=Figures((100 * part,), f"% of {answer.sent}"),
        ratio=part / _SUCCESS,
        budget=1,
        note=f"at least {_SUCCESS:.0%}",
    )
