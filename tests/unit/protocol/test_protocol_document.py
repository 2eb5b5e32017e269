"""docs/protocol.md is what our code does: its examples are given to the code, and have to come out as they stand there."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.model import keys as key_names
from reconciler.model.errors import OverlayError
from reconciler.model.keys import KeyRef
from tests.protocol.document import DOCUMENT, Example, examples
from tests.protocol.rebuilding import REBUILT

EXAMPLES = examples()
ROOT = Path(__file__).parents[3]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the texts and numbers of an example stand."""
    match value:
        case dict():
            for key, item in value.items():
                yield from places(item, (*path, key))
        case list():
            for index, item in enumerate(value):
                yield from places(item, (*path, index))
        case _:
            yield path


def changed(value: Any, path: tuple[Any, ...]) -> Any:
    """The same, with one thing in it another."""
    made = copy.deepcopy(value)
    parent = made
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = other(parent[path[-1]])
    return made


def other(value: Any) -> Any:
    """Something of the same type that is not the same."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value * 2 or 1.0
        case str() if value:
            return value[:-1] + ("0" if value[-1] != "0" else "1")
        case None:
            return 1
    return "0"


def outcome(example: Example, given: Any) -> Any:
    try:
        return REBUILT[example.name](given)
    except (OverlayError, ValueError, LookupError, AssertionError) as error:
        return error


def test_every_example_is_held_against_the_code_and_the_other_way_round():
    assert [example.name for example in EXAMPLES] == list(dict.fromkeys(example.name for example in EXAMPLES))
    assert {example.name for example in EXAMPLES} == REBUILT.keys()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_comes_out_as_it_stands_in_the_document(example):
    assert REBUILT[example.name](example.given) == example.then


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_nothing_in_an_example_can_be_changed_unnoticed(example):
    unnoticed = [
        path for path in places(example.given) if outcome(example, changed(example.given, path)) == example.then
    ]
    assert not unnoticed


def test_every_key_of_the_program_stands_in_the_document():
    text = DOCUMENT.read_text(encoding="utf-8")
    protocols = [
        value for name, value in vars(key_names).items() if name.endswith("_PROTOCOL") and isinstance(value, str)
    ]
    own = [value.protocol for value in vars(key_names).values() if isinstance(value, KeyRef)]
    outpoint = "00.1"
    coins = [
        make(outpoint, 7).key_id.replace(outpoint, "⟨first⟩").replace("7", "<index>")
        for make in (key_names.change_key, key_names.batch_key, key_names.sweep_key, key_names.purse_key)
    ]
    assert len(protocols) > 8
    assert not [name for name in (*protocols, *own, *coins) if f"`{name}`" not in text]


def test_every_section_that_the_code_cites_is_there():
    text = DOCUMENT.read_text(encoding="utf-8")
    sections = set(re.findall(r"^## (\d+)\. ", text, re.MULTILINE))
    sources = [*(ROOT / "reconciler").rglob("*.py"), *(ROOT / "docs").glob("*.md")]
    cited = {
        number for source in sources for number in re.findall(r"PROTOCOL §(\d+)", source.read_text(encoding="utf-8"))
    }
    assert len(cited) > 5
    assert cited <= sections
