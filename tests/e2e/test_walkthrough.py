"""docs/selling.md and docs/buying.md: every command line of theirs, in their order, in a copy of the examples."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys

import pytest

from tests.e2e.market import GATEWAYS, blocks, examples

pytestmark = pytest.mark.long

PAGES = ("selling.md", "buying.md")
SERVE = re.compile(r"^overlay serve\b.*$", re.MULTILINE)


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture
def clone(overlay, command, port):
    """A folder with the examples, and a shell's environment in which `overlay` is found."""
    examples(overlay.folder, port)
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
        assert server.stop() == 0
    everything = "\n".join(said)
    assert "All is well." in everything
    assert "Books, coins and chain agree." in everything
    data = overlay.folder / "examples" / "data"
    assert (overlay.folder / "supply.csv").read_bytes() == (data / "bitcoin-supply.csv").read_bytes()
    assert (overlay.folder / "downloads" / "country-codes").read_bytes() == (data / "iso3166.tab").read_bytes()


def test_the_program_of_the_walk_through_buys(overlay, base_port):
    port = base_port + GATEWAYS
    (program,) = blocks("buying.md", "python")
    moved = f"Network.LOCAL, endpoints=local_endpoints({base_port})"
    program = program.replace("3000", str(port)).replace("Network.LOCAL", moved)
    with overlay.started("devnet", "up", "--base-port", str(base_port)) as world:
        network = {"preset": "local", **{name: world.ready[name] for name in ("arc", "chainTracker", "hosts")}}
        examples(overlay.folder, port, network)
        manifest = overlay.folder / "examples" / "producer.yaml"
        hosts = f"\n  storageHosts: {json.dumps(world.ready['storageHosts'])}\n  payees:"
        manifest.write_text(manifest.read_text().replace("\n  payees:", hosts))
        overlay.run("apply", str(manifest), "--yes")
        with overlay.started("serve", "--port", str(port)):
            done = subprocess.run(
                [sys.executable, "-"],
                input=f"from reconciler.devnet.ports import local_endpoints\n{program}",
                cwd=overlay.folder,
                env=overlay.environment(),
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
    assert done.returncode == 0, done.stderr
    bought = overlay.folder / "supply.csv"
    assert bought.read_bytes() == (overlay.folder / "examples" / "data" / "bitcoin-supply.csv").read_bytes()
