"""Small requests while large ones are worked on: how long they wait for their answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchmarks.hosts import Side, hosts, lookup, submissions
from benchmarks.load import Answer, Question, ask, begun
from benchmarks.material import Material
from benchmarks.setting import Figures, Row, Setting

_SMALL: Final = 2
_LARGE: Final = 2
"""Connections."""

_PAUSE: Final = 0.01
"""Seconds between two small requests on one connection: it is their waiting that is measured, not how many there can be."""


def measure(setting: Setting) -> Iterator[Row]:
    """Look-ups of one output, alone and beside submissions of 100 outputs each."""
    material = Material("busy")
    one = material.keys("one")
    few = list(material.transactions(1, 1, identities=[one]))
    many = list(material.transactions(setting.count(200, least=10), 100))
    with hosts(setting, material) as sides:
        small = lookup(setting.folder / "small", {"identityKey": one.identity, "limit": 1}, aggregated=True)
        large = submissions(setting.folder / "large", many)
        for side in sides:
            _ask(setting, side, str(submissions(setting.folder / "few", few)))
        for name in ("alone", "beside submissions of 100 outputs"):
            waits = [_waits(setting, side, str(small), None if name == "alone" else str(large)) for side in sides]
            for part, which in ((0.5, "p50"), (0.99, "p99")):
                yield _row(f"look-up of 1 output {name}, {which}", waits, part)


def _waits(setting: Setting, side: Side, small: str, large: str | None) -> list[Answer]:
    """One answer for each round."""
    answers = []
    for _ in range(setting.rounds):
        question = Question(
            url=side.server.url,
            requests=small,
            connections=_SMALL,
            seconds=setting.seconds,
            again=True,
            pause=_PAUSE,
        )
        if large is None:
            answers.append(ask(question))
            continue
        heavy = Question(
            url=side.server.url, requests=large, connections=_LARGE, seconds=setting.seconds + 1, skip=side.sent
        )
        with begun(heavy) as beside:
            answers.append(ask(question))
            side.sent += beside.answer().sent
    return answers


def _row(work: str, waits: list[list[Answer]], part: float) -> Row:
    figures = [Figures(tuple(answer.quantile(part) * 1000 for answer in answers), "ms") for answers in waits]
    return Row(
        work=work,
        ours=figures[0],
        peer=figures[1] if len(figures) > 1 else None,
        ratio=figures[1].middle / figures[0].middle if len(figures) > 1 else None,
    )


def _ask(setting: Setting, side: Side, path: str) -> None:
    ask(Question(url=side.server.url, requests=path, connections=1, seconds=setting.seconds))
