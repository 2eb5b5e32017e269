"""`/submit`: 1 and 100 SHIP tokens in a transaction, each checked; and what was submitted already."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from benchmarks.hosts import CONNECTIONS, alternate, hosts, postgresql, row, submissions
from benchmarks.load import Question
from benchmarks.material import Made, Material
from benchmarks.setting import Row, Setting

BUDGET: Final = {1: 5.0, 100: 10.0}
"""By outputs: DESIGN §11, on SQLite."""

_FASTEST: Final = {1: 1500, 100: 80}
"""By outputs: more than this in a second nobody takes here."""


def measure(setting: Setting) -> Iterator[Row]:
    """On SQLite, then on PostgreSQL."""
    material = Material("submit")
    made = {
        outputs: list(material.transactions(_needed(setting, outputs), outputs))
        for outputs in (1, setting.count(100, least=3))
    }
    yield from _measured(setting, material, made, None)
    if setting.scale < 1:
        return
    with postgresql(setting) as url:
        if url is not None:
            yield from _measured(setting, material, made, url)


def _needed(setting: Setting, outputs: int) -> int:
    return round(_FASTEST.get(outputs, max(_FASTEST.values())) * setting.seconds * (setting.rounds + 1))


def _measured(setting: Setting, material: Material, made: dict[int, list[Made]], database: str | None) -> Iterator[Row]:
    where = "SQLite, durable" if database is None else "PostgreSQL, durable"
    with hosts(setting, material, database) as sides:
        note = "" if len(sides) == 1 else f"({sides[1].server.ready['storage']})"
        for outputs, transactions in made.items():
            for side in sides:
                side.sent = 0
            alternate(setting, sides, _question(setting, outputs, transactions))
            plural = "output" if outputs == 1 else "outputs"
            budget = BUDGET.get(outputs) if database is None else None
            yield row(f"submit, {outputs} {plural}, {where}", sides, budget=budget, note=note)
            if outputs == 1:
                alternate(setting, sides, _question(setting, outputs, transactions, again=True))
                yield row(f"submit again, 1 output, {where}", sides, note=note)


def _question(setting: Setting, outputs: int, made: list[Made], *, again: bool = False) -> Question:
    """Again: the first few, over and over; the reference answers those with empty lists."""
    path = submissions(setting.folder / f"submit-{outputs}{'-again' if again else ''}", made[:20] if again else made)
    admitted = f'"outputsToAdmit":{json.dumps(list(range(outputs)), separators=(",", ":"))}'
    return Question(
        url="",
        requests=str(path),
        connections=CONNECTIONS,
        seconds=setting.seconds,
        again=again,
        holds='"tm_ship"' if again else admitted,
    )
