from __future__ import annotations

from dataclasses import replace

from reconciler.apply.events import Ending, Event, Step
from reconciler.cli.console import Console
from reconciler.cli.views.apply import Telling

CONSOLE = Console(width=80, colour=False, interactive=False, quiet=False, verbose=False)
STORED = Event(step=Step.UPLOAD, subject="replica/btc@eu", ending=Ending.DONE)


def told(capsys, events):
    telling = Telling(CONSOLE, as_json=False)
    for event in events:
        telling(event)
    return capsys.readouterr().err.splitlines()


def test_a_few_copies_are_told_one_by_one(capsys):
    assert told(capsys, [STORED] * 20) == ["  ✓ stored replica/btc@eu"] * 20


def test_thirty_thousand_copies_are_told_in_fifty_lines(capsys):
    lines = told(capsys, [STORED] * 30_000)

    assert len(lines) < 60
    assert lines[20:23] == ["  ✓ stored 30 so far", "  ✓ stored 40 so far", "  ✓ stored 50 so far"]
    assert lines[-1] == "  ✓ stored 30,000 so far"


def test_what_failed_among_them_is_told(capsys):
    lines = told(capsys, [*[STORED] * 1000, replace(STORED, ending=Ending.FAILED, detail="it did not answer")])
    assert lines[-1] == "  ✗ stored replica/btc@eu (it did not answer)"
