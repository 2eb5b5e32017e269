from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from reconciler.cli.spread import spread

seen: list[object] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    colour: Annotated[list[str] | None, typer.Option("--colour", help="Repeatable.")] = None
    bright: Annotated[bool, typer.Option("--bright")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    width: Annotated[int, typer.Option("--width")] = 80


def paint(name: Annotated[str, typer.Argument()], *, colours: Colours, size: Size, dry: bool = False) -> None:
    """Paint something."""
    seen.append((name, colours, size, dry))


@pytest.fixture
def run():
    app = typer.Typer()
    app.command()(spread(paint))
    seen.clear()
    return lambda *words: CliRunner().invoke(app, words)


def test_every_field_is_an_option_and_the_command_gets_the_dataclass(run):
    run("door", "--colour", "red", "--colour", "blue", "--bright", "--width", "3", "--dry")

    assert seen == [("door", Colours(colour=["red", "blue"], bright=True), Size(width=3), True)]


def test_what_was_not_given_is_the_default_so_that_groups_compare(run):
    run("door")

    assert seen == [("door", Colours(), Size(), False)]


def test_help_is_the_commands(run):
    said = run("--help").output

    assert "Paint something." in said
    assert "--colour" in said
    assert "Repeatable." in said
