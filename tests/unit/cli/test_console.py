from __future__ import annotations

import os

import pytest

from reconciler.cli.asking import confirmed
from reconciler.cli.console import Console

CONSOLE = Console(width=80, colour=False, interactive=True, quiet=True, verbose=False)


@pytest.mark.parametrize(
    ("typed", "word", "agrees"),
    [
        ("yes\n", "yes", True),
        ("y\n", "yes", False),
        ("YES\n", "yes", False),
        ("", "yes", False),
        (" acme \n", "acme", True),
        ("yes\n", "acme", False),
    ],
)
async def test_only_the_word_that_was_asked_for_agrees(typed, word, agrees, monkeypatch, capsys):
    reading, writing = os.pipe()
    os.write(writing, typed.encode())
    os.close(writing)
    with os.fdopen(reading) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        assert await confirmed("Go on?", word) is agrees

    assert capsys.readouterr().err == f"Go on? Only '{word}' is accepted: "
