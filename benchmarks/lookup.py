"""`/lookup`: one output, 100 outputs of 100 transactions, 100 outputs of one; aggregated, as clients ask, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.hosts import CONNECTIONS, Side, alternate, hosts, lookup, row, submissions
from benchmarks.load import Question, ask
from benchmarks.material import Material
from benchmarks.setting import Row, Setting
from reconciler.model.errors import StateError
from reconciler.wire.answer import parse_aggregated
from reconciler.wire.beef import parse_beef

BUDGET: Final = 20.0
"""DESIGN §11: 100 outputs, aggregated."""


def measure(setting: Setting) -> Iterator[Row]:
    """On SQLite: reading is what both do alike on any database."""
    material = Material("lookup")
    one, hundred, together = (material.keys(name) for name in ("one", "hundred", "together"))
    few, many = setting.count(100, least=3), setting.count(1000, least=5)
    made = [
        *material.transactions(1, 1, identities=[one]),
        *material.transactions(few, 1, identities=[hundred]),
        *material.transactions(1, few, identities=[together]),
        *material.transactions(many, 1),
    ]
    works = (
        ("1 output", one, 1, None),
        (f"{few} outputs of {few} transactions", hundred, few, BUDGET),
        (f"{few} outputs of one transaction", together, few, BUDGET),
    )
    with hosts(setting, material) as sides:
        note = "" if len(sides) == 1 else f"({sides[1].server.ready['storage']})"
        for side in sides:
            _fill(setting, side, submissions(setting.folder / "fill", made), len(made))
        for work, keys, outputs, budget in works:
            query = {"identityKey": keys.identity, "limit": 100}
            for aggregated in (True, False):
                path = lookup(setting.folder / "lookup", query, aggregated=aggregated)
                kept = setting.folder / "reply"
                question = Question(
                    url="",
                    requests=str(path),
                    connections=CONNECTIONS,
                    seconds=setting.seconds,
                    again=True,
                    keep=str(kept),
                )
                alternate(setting, sides, question)
                if aggregated:
                    _check(kept, outputs)
                form = "aggregated" if aggregated else "JSON"
                yield row(f"lookup, {work}, {form}", sides, budget=budget if aggregated else None, note=note)


def _fill(setting: Setting, side: Side, path: Path, count: int) -> None:
    question = Question(url=side.server.url, requests=str(path), connections=CONNECTIONS, seconds=600)
    if ask(question).sent != count:
        raise StateError(f"{side.name} did not take all of it")
    setting.tell(f"{side.name} holds {count} transactions")


def _check(kept: Path, outputs: int) -> None:
    """Whether the last side's answer has all that was asked for."""
    answer = parse_aggregated(kept.read_bytes())
    beef, _ = parse_beef(answer.beef)
    if len(answer.outputs) != outputs or not {outpoint.txid for outpoint, _ in answer.outputs} <= set(
        beef.transactions
    ):
        raise StateError(f"an answer has {len(answer.outputs)} outputs, not {outputs}")
