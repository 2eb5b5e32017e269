"""docs/selling.md and docs/buying.md: every command line of theirs, in their order, in a copy of the examples."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
PAGES = ("selling.md", "buying.md")
SERVE = re.compile(r"^overlay serve\b.*$", re.MULTILINE)


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of one language."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture
def clone(overlay, command, port):
    """A folder with the examples, and a shell's environment in which `overlay` is found."""
    shutil.copytree(ROOT / "examples", overlay.folder / "examples", ignore=shutil.ignore_patterns(".overlay"))
    manifest = overlay.folder / "examples" / "producer.yaml"
    manifest.write_text(manifest.read_text().replace("localhost:3000", f"localhost:{port}"))
    tools = overlay.folder.parent / "tools"
    tools.mkdir()
    (tools / "overlay").symlink_to(command)
    environment = overlay.environment()
    return {**environment, "PATH": f"{tools}{os.pathsep}{environment['PATH']}"}


def test_every_command_of_the_walk_through_does_what_it_says(overlay, clone, port):
    def here(text: str) -> str:
        return text.replace("3000", str(port))

    def run(*arguments: str, script: str) -> str:
        done = subprocess.run(
            [*arguments],
            input=script,
            cwd=overlay.folder,
            env=clone,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    selling, buying = ([here(block) for block in blocks(page, "sh")] for page in PAGES)
    before, (serve, *after) = selling[:1], selling[1:]
    assert SERVE.fullmatch(serve.strip())
    said = [run("bash", "-euo", "pipefail", "-s", script=block) for block in before]
    with overlay.started(*serve.split()[1:]) as server:
        said += [run("bash", "-euo", "pipefail", "-s", script=block) for block in (*after, *buying)]
        for program in map(here, blocks("buying.md", "python")):
            said.append(run(sys.executable, "-", script=program))
        assert server.stop() == 0
    everything = "\n".join(said)
    assert "All is well." in everything
    assert "Books, coins and chain agree." in everything
    data = overlay.folder / "examples" / "data"
    assert (overlay.folder / "supply.csv").read_bytes() == (data / "bitcoin-supply.csv").read_bytes()
    assert (overlay.folder / "downloads" / "country-codes").read_bytes() == (data / "iso3166.tab").read_bytes()
