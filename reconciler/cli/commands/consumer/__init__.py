"""`overlay consumer`: what a buyer types."""

from __future__ import annotations

import typer

from reconciler.cli.commands.consumer import discover, get, init, pay, quote, report, search, wallet

_COMMANDS = (init, discover, search, quote, pay, get, report, wallet)

app = typer.Typer(help="Find data, prove who offers it, pay, download.", no_args_is_help=True)
for _command in _COMMANDS:
    _command.register(app)


def register(root: typer.Typer) -> None:
    """Add the command group."""
    root.add_typer(app, name="consumer")
