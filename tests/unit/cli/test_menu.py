"""The list of commands says what the commands say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from reconciler.cli import commands
from reconciler.cli.main import app, main
from reconciler.cli.menu import ENTRIES

MENU = typer.main.get_command(app)


@pytest.mark.parametrize("name", ENTRIES)
def test_each_command_is_listed_with_its_own_first_sentence(name):
    command, line = MENU.commands[name], MENU.lines[name]

    assert command.name == name
    assert not command.hidden
    for width in range(20, 200):
        assert line.get_short_help_str(width) == command.get_short_help_str(width)


def test_every_module_of_commands_is_in_the_list_or_in_a_group_of_it():
    modules = {path.stem for path in Path(commands.__file__).parent.iterdir() if path.stem[0] != "_"}
    in_groups = {"unlock", "verify"}

    assert modules - in_groups == {entry.module for entry in ENTRIES.values()}


def test_a_command_that_is_not_in_the_list_is_refused_with_what_may_be_meant(capsys):
    assert main(["aply"]) == 1

    assert "Did you mean 'apply'" in capsys.readouterr().err


def test_help_lists_them_in_this_order(capsys):
    assert main(["--help"]) == 0

    listed = capsys.readouterr().out.partition("Commands:")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in listed.splitlines() if line[2:3].strip()] == list(ENTRIES)


def test_no_line_of_the_list_is_cut_off_on_eighty_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["--help"]) == 0
    assert "..." not in capsys.readouterr().out.partition("Commands:")[2]


@pytest.mark.parametrize("name", ENTRIES)
def test_what_may_be_left_out_stands_in_one_pair_of_brackets(capsys, name):
    assert main([name, "--help"]) == 0
    assert "[[" not in capsys.readouterr().out


@pytest.mark.parametrize("words", [["plan"], ["apply"], ["consumer", "get"], ["wallet", "fund"], ["completion"]])
def test_help_calls_arguments_by_names_and_not_by_types_of_python(capsys, words):
    assert main([*words, "--help"]) == 0

    (line, *_) = capsys.readouterr().out.partition("Arguments:\n")[2].splitlines()
    assert "<" not in line
    assert line.split()[0].endswith("...") == (words not in (["wallet", "fund"], ["completion"]))
