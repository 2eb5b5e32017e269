"""What holds for every file: small, documented, finished, and at home on any machine."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "reconciler").rglob("*.py"))
MOST_LINES = 600
MOST_LINES_OF_A_FUNCTION = 60
SAYS_NOTHING = ("util", "utils", "helper", "helpers", "common", "misc", "manager")

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
    ".dockerignore",
    ".gitignore",
    "Dockerfile",
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


@cache
def definitions() -> tuple[tuple[str, ast.AST], ...]:
    """Every class and function, with where it stands."""
    return tuple(
        (f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node)
        for path in MODULES
        for node in defined_in(ast.parse(path.read_text(encoding="utf-8")))
    )


def defined_in(scope: ast.AST) -> Iterator[ast.AST]:
    """The classes and functions of a module, class or function, and theirs."""
    for node in scope.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node
            yield from defined_in(node)


def test_no_function_is_longer_than_a_page():
    long = {
        where: lines
        for where, node in definitions()
        if not isinstance(node, ast.ClassDef)
        and (lines := node.end_lineno - node.lineno + 1) > MOST_LINES_OF_A_FUNCTION
    }
    assert not long


def test_nothing_is_called_what_says_nothing():
    assert not [path for path in MODULES if path.stem in SAYS_NOTHING]
    assert not [where for where, node in definitions() if node.name.lower().endswith(SAYS_NOTHING)]


def test_no_package_leaves_a_word_to_two_meanings_of_its_own():
    """What manifests write and servers read are the same words: a closed vocabulary that two modules have stands in `model`."""
    found: dict[frozenset[str], list[str]] = {}
    for where, node in definitions():
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "StrEnum" for base in node.bases):
            words = frozenset(
                each.value.value
                for each in node.body
                if isinstance(each, ast.Assign) and isinstance(each.value, ast.Constant)
            )
            found.setdefault(words, []).append(where)
    assert not [places for words, places in found.items() if words and len(places) > 1]
