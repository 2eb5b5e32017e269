"""Two overlay hosts side by side, ours and the reference, and what they are asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.load import Answer, Question, ask, request, write_requests
from benchmarks.material import TOPIC, Made, Material
from benchmarks.node import peer
from benchmarks.processes import ROOT, Server, python, started
from benchmarks.setting import Figures, Row, Setting
from reconciler.model.errors import StateError
from reconciler.wire.answer import AGGREGATION, BINARY

CONNECTIONS: Final = 8
SERVICE: Final = "ls_ship"

_SUBMIT: Final = {"content-type": BINARY, "x-topics": json.dumps([TOPIC])}


@dataclass(slots=True)
class Side:
    """One server, and what was measured of it."""

    name: str
    server: Server
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Milliseconds of its processor time for one request."""
    sent: int = 0
    """How many of the requests are used up."""

    def measure(self, question: Question) -> Answer:
        """One round."""
        before = self.server.cpu()
        answer = ask(question)
        self.cpu.append((self.server.cpu() - before) / answer.sent * 1000)
        self.rates.append(answer.rate)
        self.sent += answer.sent
        return answer

    def forget(self) -> None:
        """Begin another figure; what is used up stays so."""
        self.rates.clear()
        self.cpu.clear()


@contextmanager
def hosts(setting: Setting, material: Material, database: str | None = None) -> Iterator[list[Side]]:
    """Our host first, then the reference if it is here; each on an empty database of its own.

    `material` has made all that is going to be sent. `database` is the URL for ours: SQLite without.
    """
    url = database or f"sqlite:///{_fresh(setting.folder, 'ours')}"
    with ExitStack() as stack:
        sides = [Side("ours", stack.enter_context(ours(setting, material, url)))]
        if setting.with_peers:
            storage = json.dumps({"storage": str(_fresh(setting.folder, "reference"))})
            command = [*peer("overlay", setting.cache), storage]
            sides.append(Side("reference", stack.enter_context(started(command, setting.folder / "reference.log"))))
        yield sides


@contextmanager
def ours(setting: Setting, material: Material, database: str) -> Iterator[Server]:
    """Our host alone, on whatever its database holds."""
    roots = setting.folder / "roots.json"
    roots.write_text(json.dumps(material.roots), encoding="ascii")
    with (
        started(python("benchmarks.world", {"roots": str(roots)}), setting.folder / "world.log") as world,
        started(
            python("benchmarks.ours", {"database": database, "world": world.url}), setting.folder / "ours.log"
        ) as server,
    ):
        yield server


@contextmanager
def postgresql(setting: Setting) -> Iterator[str | None]:
    """The URL of a durable PostgreSQL for the block; None, having told why, where none starts."""
    command = [sys.executable, str(ROOT / "tests" / "postgresql_server.py"), "--durable"]
    with ExitStack() as stack:
        try:
            server = stack.enter_context(started(command, setting.folder / "postgresql.log"))
        except StateError as error:
            setting.tell(f"no PostgreSQL: {error.message}")
            yield None
        else:
            yield server.told


def submissions(path: Path, made: Sequence[Made]) -> Path:
    """A file of requests that submit these."""
    write_requests(path, (request("/submit", _SUBMIT, each.beef) for each in made))
    return path


def lookup(path: Path, query: object, *, aggregated: bool) -> Path:
    """A file with the one request that asks `query`."""
    headers = {"content-type": "application/json", **(dict([AGGREGATION]) if aggregated else {})}
    body = json.dumps({"service": SERVICE, "query": query}).encode()
    write_requests(path, [request("/lookup", headers, body)])
    return path


def alternate(setting: Setting, sides: Sequence[Side], question: Question) -> None:
    """Measure the sides in turns, after a round of each that is not counted; requests are used once, or again and again."""
    for number in range(setting.rounds + 1):
        for side in sides:
            if number <= 1:
                side.forget()
            side.measure(replace(question, url=side.server.url, skip=0 if question.again else side.sent))


def row(work: str, sides: Sequence[Side], *, unit: str = "/s", budget: float | None = None, note: str = "") -> Row:
    """What the sides have measured so far, as a row of the table."""
    others = sides[1:]
    figures = [Figures(tuple(side.rates), unit) for side in sides]
    return Row(
        work=work,
        ours=figures[0],
        peer=figures[1] if others else None,
        ratio=figures[0].middle / figures[1].middle if others else None,
        budget=budget,
        note=note,
        cpu=tuple(median(side.cpu) for side in sides),
    )


def _fresh(folder: Path, name: str) -> Path:
    numbers = (folder / f"{name}-{number}.db" for number in range(1000))
    return next(path for path in numbers if not path.exists())
