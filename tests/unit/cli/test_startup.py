"""What a command does not load, by name: how long that would take is the benchmark's to say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE

EXAMPLE = Path(__file__).parents[3] / "examples" / "producer.yaml"

COMMUNICATION = frozenset({"aiohttp", "anyio", "httpx", "requests", "ssl", "starlette", "uvicorn"})
STATE = frozenset({"alembic", "psycopg", "sqlalchemy"})
KEYS = frozenset({"bsv", "cryptography"})
LANGUAGE = frozenset({"reconciler.manifest", "yaml"})
OPERATIONS = "reconciler.cli.operations."

_RUN = "import sys; from reconciler.cli.main import main; code = main(sys.argv[1:])"
_TELL = "print(*sorted(sys.modules), file=open(os.environ['MODULES'], 'w')); sys.exit(code)"


def loaded(folder: Path, *arguments: str, code: int = 0, script: str = _RUN) -> set[str]:
    """The modules that are there when a command has ended."""
    written = folder / "modules"
    environment = {**os.environ, "MODULES": str(written), "OVERLAY_HOME": str(folder / "home")}
    done = subprocess.run(
        [sys.executable, "-c", f"import os; {script}; {_TELL}", *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == code, done.stderr
    return set(written.read_text().split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["completion", "bash"]], ids=" ".join)
def test_what_is_known_without_a_command_loads_none(tmp_path, arguments):
    modules = loaded(tmp_path, *arguments)

    assert not modules & {*COMMUNICATION, *STATE, *KEYS, *LANGUAGE, "asyncio", "rich"}
    assert not [each for each in modules if each.startswith(OPERATIONS)]


@pytest.mark.parametrize(("arguments", "code"), [(["apply", "--help"], 0), (["apply", "--no-such-option"], 1)])
def test_help_and_usage_errors_of_a_command_load_only_its_words(tmp_path, arguments, code):
    modules = loaded(tmp_path, *arguments, code=code)

    assert not modules & {*COMMUNICATION, *STATE, *KEYS, *LANGUAGE, "asyncio", "rich"}
    assert [each for each in modules if each.startswith("reconciler.cli.commands.")] == [
        "reconciler.cli.commands.apply"
    ]
    assert not [each for each in modules if each.startswith(OPERATIONS)]


def test_the_language_is_explained_without_reading_yaml(tmp_path):
    assert not loaded(tmp_path, "explain", "dataset") & {*COMMUNICATION, *STATE, *KEYS, "asyncio", "yaml"}


def test_manifests_are_formatted_without_state_keys_or_network(tmp_path):
    assert not loaded(tmp_path, "fmt", "--check", str(EXAMPLE)) & {*COMMUNICATION, *STATE, *KEYS, "asyncio"}


def test_manifests_are_validated_without_state_keys_or_network(tmp_path):
    modules = loaded(tmp_path, "validate", str(EXAMPLE))

    assert not modules & {*COMMUNICATION - {"ssl"}, *STATE, *KEYS}  # asyncio brings ssl


def test_no_command_but_a_server_loads_servers_and_none_loads_the_clients_of_the_sdk(tmp_path):
    names = ("apply", "destroy", "identity", "plan", "state", "status", "unlock", "wallet", "watch")
    script = f"import sys; import {', '.join(OPERATIONS + name for name in names)}; code = 0"

    modules = loaded(tmp_path, script=script)

    assert not modules & {"aiohttp", "alembic", "prometheus_client", "requests", "starlette", "uvicorn"}


def test_a_plan_loads_no_command_lines_of_libraries_and_no_objects_mapped_to_rows(tmp_path):
    modules = loaded(tmp_path, script=f"import sys; import {OPERATIONS}plan; code = 0")

    assert {"httpx", "sqlalchemy.engine"} <= modules
    assert not modules & {"click", "pygments", "rich.progress"}
    assert not modules & {"sqlalchemy.dialects.postgresql", "sqlalchemy.ext.asyncio", "sqlalchemy.orm"}


def test_manifests_that_have_not_changed_are_found_as_they_were_compiled_without_the_language(tmp_path):
    assert "yaml" in loaded(tmp_path, "validate", str(EXAMPLE))

    modules = loaded(tmp_path, "validate", str(EXAMPLE))

    assert not modules & {"yaml", "reconciler.manifest.kinds", "reconciler.manifest.load", "reconciler.content.digests"}
