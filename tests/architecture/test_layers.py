"""The import contracts of pyproject.toml hold, and say what the documents say."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]


def test_the_import_contracts_hold():
    program = (
        "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command(['--no-cache']))"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_package_has_its_layer():
    layers = {
        name.strip()
        for contract in CONTRACTS
        if contract["type"] == "layers"
        for layer in contract["layers"]
        for name in layer.split("|")
    }
    packages = {path.parent.name for path in (ROOT / "reconciler").glob("*/__init__.py")}
    assert packages <= layers, "a package that exists stands in no layer, or still in parentheses"


def test_contributing_names_the_modules_that_may_touch_the_bsv_sdk():
    door = "reconciler.wire.sdk"
    allowed = {
        importer
        for contract in CONTRACTS
        if door in contract.get("protected_modules", ())
        for importer in (door, *contract["allowed_importers"])
    }
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert allowed
    for module in allowed:
        assert f"`{module.removeprefix('reconciler.').replace('.', '/')}.py`" in text
