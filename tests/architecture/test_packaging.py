"""What is declared is used, what is used is declared, and both commands get the versions that were proven."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from reconciler import __version__

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

BY_NAME = {"psycopg", "sniffio"}
"""Asked for by a URL, postgresql+psycopg, or by httpcore if it is there, not by an import."""
FOR_CONTRIBUTORS = {"test", "dev", "fuzz"}
"""Extras that the package itself does not use."""
WITH_ANOTHER = {"pydantic-core": "pydantic"}
"""A distribution that another one of ours is made of."""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    return {canonical(re.match(r"[A-Za-z0-9._-]+", requirement)[0]) for requirement in requirements}


def pins(lines: list[str]) -> list[str]:
    return [line for line in lines if line and not line.startswith("#")]


def imported() -> set[str]:
    """The distributions of everything that the package imports, type-only or late imports included."""
    modules = set()
    for path in (ROOT / "reconciler").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.partition(".")[0])
    known = packages_distributions()
    outside = modules - set(sys.stdlib_module_names) - {"reconciler"}
    return {canonical(distribution) for module in outside for distribution in known[module]}


def test_dependencies_are_what_is_imported():
    found = {WITH_ANOTHER.get(distribution, distribution) for distribution in imported()}
    extras = PROJECT["project"]["optional-dependencies"]
    optional = [name for extra in extras.keys() - FOR_CONTRIBUTORS for name in extras[extra]]
    assert found | BY_NAME == declared(PROJECT["project"]["dependencies"] + optional)


def test_pip_and_uv_get_the_same_versions():
    for_pip = pins((ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines())
    assert for_pip == PROJECT["tool"]["uv"]["constraint-dependencies"]
    assert for_pip == sorted(for_pip, key=lambda pin: pin.partition("==")[0])


def test_every_dependency_is_pinned():
    constraints = PROJECT["tool"]["uv"]["constraint-dependencies"]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][A-Za-z0-9.]*", pin) for pin in constraints)
    extras = [name for extra in PROJECT["project"]["optional-dependencies"].values() for name in extra]
    wanted = declared(PROJECT["project"]["dependencies"] + extras) - {canonical(PROJECT["project"]["name"])}
    assert wanted <= declared(constraints)


def test_there_is_no_lock_file():
    assert not [path.name for path in ROOT.iterdir() if path.name in {"uv.lock", "poetry.lock", "Pipfile.lock"}]
    assert not list(ROOT.glob("pylock*.toml"))


def test_the_package_knows_its_version():
    assert PROJECT["project"]["version"] == __version__
