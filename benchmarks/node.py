"""Peers from npm: installed once into the cache, for exactly the versions that their package.json names."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

from reconciler.model.errors import StateError

_PEERS: Final = Path(__file__).with_name("peers")
_PATIENCE: Final = 900
"""Seconds: one of them compiles SQLite."""


def peer(name: str, cache: Path) -> list[str]:
    """The command that runs `peers/NAME/server.mjs`, but for its argument. Raises StateError where npm fails."""
    source = _PEERS / name
    version = hashlib.sha256((source / "package.json").read_bytes()).hexdigest()[:16]
    folder = cache / f"{name}-{version}"
    installed = folder / "installed"
    if not installed.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / "package.json", folder)
        quietly = ("--no-package-lock", "--no-audit", "--no-fund")
        command = ["npm", "install", *quietly]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=_PATIENCE)
        if done.returncode:
            raise StateError(f"npm could not install the peers of {name}: {done.stderr.strip()[-600:]}")
        installed.touch()
    shutil.copy(source / "server.mjs", folder)  # Node looks for modules beside the program
    return ["node", str(folder / "server.mjs")]
