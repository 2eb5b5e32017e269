"""One run of the command, as its command functions get it."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import typer

from reconciler.cli import operations
from reconciler.cli.arguments import Globals, network
from reconciler.cli.console import Console
from reconciler.cli.home import Home
from reconciler.model.errors import UsageError
from reconciler.model.ids import Network

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """Global options, the console, and the environment as it was at the start."""

    options: Globals
    console: Console
    environment: Mapping[str, str]

    @classmethod
    def of(cls, context: typer.Context) -> Invocation:
        """The invocation that a command runs in."""
        return context.find_object(cls) or _missing()

    @property
    def directory(self) -> Path:
        """The working directory, after -C. Raises UsageError where it is not one."""
        chosen = Path.cwd() / (self.options.directory or "")
        if not chosen.is_dir():
            raise UsageError(f"{chosen} is not a directory")
        return chosen

    @property
    def home(self) -> Home:
        """OVERLAY_HOME as this run finds it."""
        return Home.find(self.environment, self.directory)

    @property
    def passphrase(self) -> str | None:
        """OVERLAY_PASSPHRASE."""
        return self.environment.get("OVERLAY_PASSPHRASE") or None

    def named_network(self) -> Network | None:
        """The network that options or environment name; None leaves it to the manifest or to what is there."""
        if self.options.network is not None:
            return self.options.network
        named = self.environment.get("OVERLAY_NETWORK")
        return network(named) if named else None

    def finish(self, work: Coroutine[Any, Any, int]) -> NoReturn:
        """Run the command's operation and leave with its exit code."""
        raise typer.Exit(operations.running.run(work, self.console))


def _missing() -> Invocation:
    raise UsageError("commands run through reconciler.cli.main.main")
