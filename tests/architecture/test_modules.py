"""What holds for every file: small, documented, finished, and at home on any machine."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "reconciler").rglob("*.py"))
MOST_LINES = 600

# In pieces, so that this file is not one that it complains about.
UNFINISHED = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)))
MACHINE = re.compile(r"(?<![\w.])/(?:home|root|Users|work|tmp/w)/\w")
REGISTRY = re.compile(r"(?:pypi|pythonhosted|npmjs|registry\.\w+|artifactory|nexus)\.(?:org|com|io|net)", re.IGNORECASE)

WHAT_IS_OURS = (
    ".ci/**/*",
    "benchmarks/**/*",
    "docs/**/*",
    "examples/**/*",
    "migrations/**/*",
    "reconciler/**/*",
    "schemas/**/*",
    "tests/**/*",
    ".gitignore",
    "*.md",
    "*.toml",
    "*.txt",
    "LICENSE",
)
NOT_OURS = {"__pycache__", ".overlay", "node_modules"}


def ours() -> Iterator[Path]:
    """Every file of the project; git is not needed to tell."""
    for pattern in WHAT_IS_OURS:
        for path in ROOT.glob(pattern):
            if path.is_file() and NOT_OURS.isdisjoint(path.relative_to(ROOT).parts):
                yield path


def texts() -> Iterator[tuple[str, str]]:
    for path in ours():
        try:
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def found(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_module_is_longer_than_one_can_keep_in_mind():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in MODULES
        if (lines := len(path.read_bytes().splitlines())) > MOST_LINES
    }
    assert not long


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if path.name == "__init__.py"],
    ids=lambda path: str(path.relative_to(ROOT).parent),
)
def test_every_package_says_what_it_is_for(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring
    assert docstring.splitlines()[0].endswith((".", "?"))


def test_nothing_is_left_to_be_done():
    assert found(UNFINISHED) == []


def test_no_file_knows_the_machine_it_was_written_on():
    assert found(MACHINE) == []


def test_no_file_names_a_package_registry():
    assert found(REGISTRY) == []


def test_nothing_is_called_what_says_nothing():
    assert not [path for path in MODULES if path.stem in {"utils", "util", "helpers", "common", "misc", "manager"}]
