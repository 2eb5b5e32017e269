"""The reference TypeScript SDK, where Node is present: installed once, run as programs that speak JSON."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def absent(reason: str) -> None:
    """Skip, unless the run is one that must not."""
    if os.environ.get("OVERLAY_REQUIRE_NODE") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def node_modules(request) -> Path:
    """The peers of package.json, in pytest's cache: a folder for each version of that file."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        absent("Node and npm are not installed: the reference TypeScript SDK is not held against us")
    wanted = HERE / "package.json"
    version = hashlib.sha256(wanted.read_bytes()).hexdigest()[:16]
    folder = Path(request.config.cache.mkdir("interop")) / version
    installed = folder / "installed"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes, and one installs
        if not installed.exists():
            shutil.copy(wanted, folder)
            quietly = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts")
            done = subprocess.run(
                [npm, "install", *quietly], cwd=folder, capture_output=True, text=True, check=False, timeout=300
            )
            if done.returncode:
                absent(f"npm could not install the reference TypeScript SDK: {done.stderr.strip()[-300:]}")
            installed.touch()
    return folder / "node_modules"


@pytest.fixture(scope="session")
def run_peer(node_modules) -> Callable[..., Any]:
    """Run a program of this folder: a JSON question on its stdin, a JSON answer on its stdout."""

    def run(program: str, question: Any) -> Any:
        done = subprocess.run(
            ["node", str(HERE / program)],
            input=json.dumps(question),
            env={**os.environ, "NODE_PATH": str(node_modules)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def started_peer(node_modules) -> Callable[..., AbstractAsyncContextManager[Any]]:
    """Start a program of this folder that goes on until its stdin is closed; gives what it says first, as JSON."""

    @asynccontextmanager
    async def started(program: str, question: Any) -> AsyncIterator[Any]:
        pipe = asyncio.subprocess.PIPE
        environment = {**os.environ, "NODE_PATH": str(node_modules)}
        process = await asyncio.create_subprocess_exec(
            "node", str(HERE / program), stdin=pipe, stdout=pipe, stderr=pipe, env=environment
        )
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            first = await process.stdout.readline()
            if not first:
                pytest.fail((await process.communicate())[1].decode())
            yield json.loads(first)
        finally:
            process.stdin.close()
            await process.wait()

    return started
