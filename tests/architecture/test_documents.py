"""What README, CONTRIBUTING, CHANGELOG and the architecture promise is so."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
import typer

from reconciler import __version__
from reconciler.cli.main import app
from reconciler.cli.menu import ENTRIES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
GUIDES = ("docs/operations.md", "docs/security.md")
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/architecture.md",
    "docs/buying.md",
    "docs/coming-from-producer-js.md",
    "docs/content-format.md",
    "docs/protocol.md",
    "docs/selling.md",
    "examples/README.md",
    *GUIDES,
)


def shell_lines(text: str) -> list[str]:
    """The lines of all ```sh blocks."""
    return [
        line
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        for line in block.splitlines()
    ]


def command_lines(text: str) -> list[str]:
    """What stands in a text as a command of ours: lines of code blocks, without their remarks, and code within sentences."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [re.split(r" {2,}|;", line)[0] for block in blocks for line in block.splitlines()]
    words = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    return [line for line in (*lines, *words) if line.startswith("overlay ") and "|" not in line]


def unknown(line: str) -> str | None:
    """The first word of a command line that is neither a command nor an option of it; None where all are known."""
    command, everywhere = typer.main.get_command(app), {"--network", "--debug", "-C", "-v", "-q"}
    for word in line.split()[1:]:
        commands = getattr(command, "commands", {})
        if word.startswith("-"):
            if not any(word in option.opts for option in command.params) and word not in everywhere:
                return word
        elif word in commands:
            command = commands[word]
        elif commands:
            return word
    return None


def test_the_readme_has_two_commands_each_on_one_line():
    job, tests = shell_lines(README)
    for command in (job, tests):
        assert command.startswith("python3 -m venv --without-pip .venv && python3 -m pip --python .venv install ")
        assert " -c constraints.txt " in command
    assert job.endswith(".venv/bin/overlay apply examples/producer.yaml --yes")
    assert tests.endswith(".venv/bin/python -m pytest -q")


def test_ci_runs_the_very_test_command_of_the_readme():
    _, tests = shell_lines(README)
    assert f"{tests} || exit 1" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_the_readme_lists_every_command():
    listed = re.search(r"^## Commands\n\n```\n(.*?)^```", README, re.DOTALL | re.MULTILINE)[1]
    for name in ENTRIES:
        assert re.search(rf"(overlay|\|) {name}\b", listed), name


@pytest.mark.parametrize(
    "document", ["README.md", "CHANGELOG.md", "docs/architecture.md", "examples/README.md", *GUIDES]
)
def test_every_command_line_that_is_shown_is_one(document):
    lines = command_lines((ROOT / document).read_text(encoding="utf-8"))
    assert lines
    assert not [(line, unknown(line)) for line in lines if unknown(line) is not None]


@pytest.mark.parametrize("path", sorted((ROOT / "reconciler").glob("*/__init__.py")), ids=lambda path: path.parent.name)
def test_the_architecture_tells_of_every_package(path):
    assert f"| `{path.parent.name}` |" in ARCHITECTURE


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_module_that_is_named_exists(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:reconciler/)?([a-z_]+/[a-z_/]+\.py)`", text))
    assert not [
        name for name in sorted(named) if not (ROOT / "reconciler" / name).is_file() and not (ROOT / name).is_file()
    ]


@cache
def members(module: Path) -> frozenset[str]:
    """What a module defines: its functions, classes and names, and `Class.member`."""
    found = set()
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        names = defined(node)
        found |= names
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{name}" for each in node.body for name in defined(each)}
    return frozenset(found)


def defined(node: ast.stmt) -> set[str]:
    """The names that a statement gives something to."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.Assign():
            return {target.id for target in node.targets if isinstance(target, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
    return set()


PLACES = (
    re.compile(r"`([a-z_]+/[a-z_0-9/]+\.py)`\*{0,2}\s+`((?:[A-Za-z_]+\.)?[A-Za-z_]+)`"),
    re.compile(r"`(?:reconciler/)?([a-z_]+/[a-z_0-9/]+\.py):([A-Za-z_.]+)`"),
)
"""How a text names a function: after its module, or with it, as `wire/record.py:lock`."""


@pytest.mark.parametrize("document", [*DOCUMENTS, "docs/extending.md", "docs/faults.md", "docs/benchmarks.md"])
def test_every_function_that_is_named_after_its_module_is_there(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    missing = []
    for module, name in (place for pattern in PLACES for place in pattern.findall(text)):
        file = next((each for each in (ROOT / "reconciler" / module, ROOT / module) if each.is_file()), None)
        known = frozenset() if file is None else members(file)
        if name not in known and not any(each.endswith(f".{name}") for each in known):
            missing.append(f"{module} {name}")
    assert not missing


def test_the_architecture_names_enough_functions_to_find_the_way():
    assert sum(len(pattern.findall(ARCHITECTURE)) for pattern in PLACES) > 120


def test_the_picture_of_imports_is_the_code_s():
    """Where it is not, what it should be is what this test shows."""
    (picture,) = re.findall(r"^```imports\n(.*?)^```", ARCHITECTURE, re.DOTALL | re.MULTILINE)
    assert [line.split() for line in picture.splitlines()] == imports()


IMPORT = re.compile(r"^ *(?:from|import) reconciler\.(\w+)", re.MULTILINE)


def imports() -> list[list[str]]:
    """Each package, from the top of the layers downwards, and the packages that its modules import, in the same order."""
    layers = next(each["layers"] for each in CONTRACTS if each["type"] == "layers")
    order = [name.strip() for layer in layers for name in layer.split("|") if "(" not in name]
    found = {name: imported_by(name) for name in order}
    return [[name, *(other for other in order if other in found[name])] for name in order]


def imported_by(package: str) -> set[str]:
    """The packages that the modules of one import."""
    texts = (module.read_text(encoding="utf-8") for module in (ROOT / "reconciler" / package).rglob("*.py"))
    return {name for text in texts for name in IMPORT.findall(text)} - {package}


def test_the_architecture_tells_of_every_state_of_the_journal():
    from reconciler.model.journal import JournalState

    for state in JournalState:
        assert f"| {state} |" in ARCHITECTURE


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document):
    home = (ROOT / document).parent
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / document).read_text(encoding="utf-8"))
    assert not [link for link in links if "://" not in link and not (home / link).exists()]


def test_the_changelog_speaks_of_this_version_or_of_what_comes():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{__version__}]" in text or "## [Unreleased]" in text


def anchors(document: Path) -> set[str]:
    """What `#...` may name in a document: its headings as GitHub makes them anchors."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", [*DOCUMENTS, "docs/manifest.md"])
def test_every_link_to_a_section_leads_to_one(document):
    path = ROOT / document
    links = re.findall(r"\]\(([^)#\s]*)#([^)]+)\)", path.read_text(encoding="utf-8"))
    targets = [(path.parent / name if name else path, anchor) for name, anchor in links if "://" not in name]
    assert not [(str(target), anchor) for target, anchor in targets if anchor not in anchors(target)]


def test_operations_lists_its_sections():
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    listed, _, _ = text.partition("\n## ")
    assert [name for name in re.findall(r"^## (.*)$", text, re.MULTILINE) if f"[{name}](" not in listed] == []
