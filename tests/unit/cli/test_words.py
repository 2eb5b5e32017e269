"""Completion: which words may stand next, and the scripts that ask."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
import typer

from reconciler.cli.main import app, main
from reconciler.cli.words import SCRIPTS, answer, candidates
from tests.patience import PATIENCE

ROOT = typer.main.get_command(app)


def words(*line: str) -> list[str]:
    return [candidate.word for candidate in candidates(ROOT, line)]


def test_commands_and_their_commands_are_offered():
    assert {"plan", "apply", "wallet"} <= set(words(""))
    assert words("pl") == ["plan"]
    assert words("wallet", "a") == ["address", "audit"]
    assert words() == words("")


def test_options_of_the_command_and_those_that_stand_anywhere_are_offered():
    assert words("plan", "--det") == ["--detailed-exitcode"]
    assert words("apply", "producer.yaml", "--app") == ["--approved"]
    assert words("plan", "--ne") == words("--ne") == ["--network"]


def test_options_that_stand_anywhere_do_not_hide_the_command():
    assert words("-C", "folder", "-v", "wallet", "ba") == ["balance"]
    assert words("--network", "") == ["embedded", "local", "test", "main"]
    assert words("plan", "--network", "m") == ["main"]
    assert words("--network=main", "wallet", "ba") == ["balance"]


def test_where_a_value_or_file_may_stand_the_shell_is_left_to_its_files():
    assert words("plan", "") == []
    assert words("plan", "--out", "pl") == []
    assert words("-C", "pl") == []
    assert words("plan", "--out", "plan", "--js") == ["--json"]


def test_zsh_and_fish_are_told_what_a_word_is_for():
    assert answer(ROOT, ["schem"], "bash") == ["schema"]
    assert answer(ROOT, ["--debu"], "zsh") == ["--debug:Show tracebacks."]
    assert answer(ROOT, ["--debu"], "fish") == ["--debug\tShow tracebacks."]


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_script_of_each_shell_is_printed(shell, capsys):
    assert main(["completion", shell]) == 0

    assert f"_OVERLAY_COMPLETE={shell}" in capsys.readouterr().out


def test_a_shell_without_a_script_is_refused(capsys):
    assert main(["completion", "cmd"]) == 1


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes_with_its_script(tmp_path):
    command = tmp_path / "overlay"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from reconciler.cli.main import run; run()" "$@"\n')
    command.chmod(0o755)
    ask = (
        'COMP_WORDS=(overlay -C "a b" wallet ba) COMP_CWORD=4; _overlay overlay; printf "%s\\n" "${COMPREPLY[@]}"; '
        'COMP_WORDS=(overlay plan "") COMP_CWORD=2; _overlay overlay; echo "${#COMPREPLY[@]}"; complete -p overlay'
    )
    said = subprocess.run(
        ["bash", "--norc", "-c", f"{SCRIPTS['bash']}\n{ask}"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert said.stdout.splitlines() == ["balance", "0", "complete -o default -F _overlay overlay"]
