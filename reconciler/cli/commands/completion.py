"""`overlay completion`: let a shell complete commands and options."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from reconciler.cli import errors
from reconciler.cli.invocation import Invocation
from reconciler.cli.words import SCRIPTS


class Shell(StrEnum):
    """The shells there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("completion", epilog='Example: eval "$(overlay completion bash)"')(completion)


def completion(
    context: typer.Context,
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="Which shell is to read the script.")],
) -> None:
    """Print what lets a shell complete commands and options."""
    Invocation.of(context).console.result(SCRIPTS[shell])
    raise typer.Exit(errors.DONE)
