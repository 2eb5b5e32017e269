"""`overlay devnet`: the toy world, on TCP or embedded."""

from __future__ import annotations

import typer

app = typer.Typer(help="The toy world: chain, ARC, a public host, three storage hosts.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the command group."""
    root.add_typer(app, name="devnet")
