"""The source of truth: which producer, from which repository and folder, at which commit (PROTOCOL §4).

Its id is the Producer's name and, only where a git remote names a host, `host/owner/repo` in lower case and the manifest's
folder inside the work tree. No machine path and no credential of a remote URL ever enters it.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

_SCP: Final = re.compile(r"(?:[^@/\s]+@)?(?P<host>[A-Za-z0-9.-]+):(?P<path>[^/\s].*)")
_PATIENCE: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where manifests come from; all None or False without git."""

    repo: str | None = None
    """`host/owner/repo`."""
    folder: str = ""
    """Of the manifest inside the work tree; empty at its top."""
    commit: str | None = None
    dirty: bool = False
    """Whether the manifest's folder differs from the commit."""

    def source_id(self, producer: str) -> str:
        """What the live root is held against."""
        return producer if self.repo is None else f"{producer} {self.repo}/{self.folder}".rstrip("/")


async def provenance(folder: Path) -> Provenance:
    """Ask git; where it is not installed or this is no work tree, nothing is known."""
    commit = await _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return Provenance()
    remote, prefix, changes = await asyncio.gather(
        _git(folder, "remote", "get-url", "origin"),
        _git(folder, "rev-parse", "--show-prefix"),
        _git(folder, "status", "--porcelain", "--", "."),
    )
    return Provenance(
        repo=repository(remote) if remote else None,
        folder=(prefix or "").strip("/"),
        commit=commit,
        dirty=bool(changes),
    )


def repository(remote: str) -> str | None:
    """`host/owner/repo` of a remote URL in lower case; None where it names no host, such as a folder."""
    if "://" in remote:
        host, path = _host_and_path(remote)
    else:
        scp = _SCP.fullmatch(remote)
        host, path = (scp["host"], scp["path"]) if scp else (None, "")
    path = path.strip("/").removesuffix(".git")
    return f"{host}/{path}".lower() if host and path else None


def _host_and_path(url: str) -> tuple[str | None, str]:
    try:
        parts = urlsplit(url)
    except ValueError:  # such as brackets without an address
        return None, ""
    return parts.hostname, parts.path


async def _git(folder: Path, *arguments: str) -> str | None:
    try:
        process = await asyncio.create_subprocess_exec(
            "git", "-C", str(folder), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError:  # there is no git on this machine
        return None
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _PATIENCE)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    return output.decode(errors="replace").strip() if process.returncode == 0 else None
