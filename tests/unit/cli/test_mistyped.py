"""What is said of a value that an option or argument cannot take."""

from __future__ import annotations

import pytest

from reconciler.cli.main import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("plan --max-cost x", "Error: 'x' is not a whole number of satoshis.\n  where: --max-cost\n"),
        (
            "consumer quote a --cost 20sat",
            "Error: '20sat' is not a whole number of satoshis.\n  where: --cost\n  hint:  write 20\n",
        ),
        ("plan --parallelism 0", "Error: '0' is not a whole number from 1 to 64.\n  where: --parallelism\n"),
        ("serve --port 99999", "Error: '99999' is not a whole number from 0 to 65535.\n  where: --port\n"),
        ("devnet mine 1.5", "Error: '1.5' is not a whole number.\n  where: N\n"),
        ("completion foo", "Error: 'foo' is not one of these words: bash, zsh, fish.\n  where: bash|zsh|fish\n"),
    ],
)
def test_a_value_is_said_to_be_what_it_is_not_and_where(capsys, words, said):
    assert main(words.split()) == 1

    assert capsys.readouterr().err == said


def test_what_is_missing_is_left_to_the_library(capsys):
    assert main(["explain"]) == 1

    assert "KIND[.FIELD]" in capsys.readouterr().err
