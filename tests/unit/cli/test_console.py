from __future__ import annotations

import io
import json
import os

import pytest

from reconciler.cli.asking import confirmed
from reconciler.cli.console import Console, spell_out

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


def stream(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")


def written(to: io.TextIOWrapper) -> bytes:
    to.flush()
    return to.buffer.getvalue()


def test_what_a_stream_cannot_encode_is_spelt_out(monkeypatch):
    monkeypatch.setattr("sys.stdout", output := stream("ascii"))
    spell_out(output)

    CONSOLE.result("✓ 02ab…cd: Zürich · 日本")

    assert written(output) == rb"ok 02ab...cd: Z\u00fcrich - \u65e5\u672c" + b"\n"


def test_a_file_name_that_is_no_text_is_shown_all_the_same(monkeypatch):
    monkeypatch.setattr("sys.stdout", output := stream("utf-8"))
    spell_out(output)

    CONSOLE.result(os.fsdecode(b"caf\xe9"))

    assert written(output) == rb"caf\udce9" + b"\n"


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "utf-8"])
def test_a_document_is_the_same_in_any_encoding(monkeypatch, encoding):
    monkeypatch.setattr("sys.stdout", output := stream(encoding))
    spell_out(output)
    value = {"title": "Zürich… ✓ 日本 🎉"}

    CONSOLE.document(value)

    assert json.loads(written(output)) == value


HOSTILE = "a\x1b]0;owned\x07b\x9b2Jc\rd\u202ee\u2066f"


def test_no_terminal_obeys_what_comes_from_outside(capsys):
    CONSOLE.result(f"{HOSTILE}\nsecond line")
    CONSOLE.complain(HOSTILE)
    CONSOLE.document({"title": HOSTILE})

    out, err = capsys.readouterr()
    assert (out + err).replace("\n", "").isprintable()
    assert out.splitlines()[1] == "second line"
    assert json.loads(out.splitlines()[2]) == {"title": HOSTILE}
