"""What README.md shows is what comes: its console blocks, line by line, from a fresh run of the same commands."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EDITS = (("title: Country codes and names", "title: Countries and their codes"), ("price: 2500", "price: 2000"))
SLIPS = (("price: 2500", 'price: "2500"'), ("license: public", "licence: public"))
LEFT_OUT = re.compile(r"\[\.\.\. .* \.\.\.\]")
VARYING = re.compile(r"[0-9a-f]{12,64}|\d{4}-\d\d-\d\d \d\d:\d\d|\d[\d,]* bytes")
"""Ids, moments, and the sizes of signatures."""


def shown(command: str) -> Iterator[list[str]]:
    """What README.md shows below each `$ overlay COMMAND`, without what it says that it leaves out."""
    for block in re.findall(r"^```console\n(.*?)^```", README, re.DOTALL | re.MULTILINE):
        for run in re.split(r"^\$ ", block, flags=re.MULTILINE):
            first, *lines = run.splitlines() or [""]
            if first == f"overlay {command}":
                yield [VARYING.sub("#", line) for line in lines if line and not LEFT_OUT.fullmatch(line)]


def missing(expected: list[str], text: str) -> list[str]:
    """From where on `expected` does not follow, in order, in `text`."""
    came = iter(VARYING.sub("#", line) for line in text.splitlines())
    return next((expected[index:] for index, line in enumerate(expected) if line not in came), [])


def edit(overlay, changes) -> None:
    manifest = overlay.folder / "examples" / "producer.yaml"
    text = manifest.read_text()
    for before, after in changes:
        assert text.count(before) == 1
        text = text.replace(before, after)
    manifest.write_text(text)


@pytest.mark.long
def test_a_plan_and_an_apply_look_as_shown(overlay):
    shutil.copytree(ROOT / "examples", overlay.folder / "examples")
    overlay.run("apply", "examples/producer.yaml", "--yes")
    edit(overlay, EDITS)
    (plan,) = shown("plan examples/producer.yaml")
    first, again = shown("apply examples/producer.yaml --yes")

    assert missing(plan, overlay.run("plan", "examples/producer.yaml").stdout) == []
    assert len(plan) > 20
    applied = overlay.run("apply", "examples/producer.yaml", "--yes")
    assert missing(first[:-1], applied.stderr) == []
    assert missing(first[-1:], applied.stdout) == []
    assert overlay.run("apply", "examples/producer.yaml", "--yes").stdout.splitlines() == again


def test_slips_look_as_shown(overlay):
    shutil.copytree(ROOT / "examples", overlay.folder / "examples")
    edit(overlay, SLIPS)
    (expected,) = shown("validate examples/producer.yaml")

    assert missing(expected, overlay.run("validate", "examples/producer.yaml", code=1).stderr) == []
    assert len(expected) > 5
