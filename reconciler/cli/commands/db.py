"""`overlay db`: the database's shape."""

from __future__ import annotations

import typer

from reconciler.cli import operations, options
from reconciler.cli.invocation import Invocation

app = typer.Typer(help="The database's shape.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the command group."""
    root.add_typer(app, name="db")


@app.command("upgrade", epilog="Example: overlay db upgrade --network embedded")
def upgrade_database(context: typer.Context, *, json: options.Json = False) -> None:
    """Bring the database up to what this version works with, in one transaction. Two at once do no harm."""
    invocation = Invocation.of(context)
    invocation.finish(operations.db.upgrade_database(invocation, as_json=json))


@app.command("check", epilog="Example: overlay db check --network embedded")
def check_database(context: typer.Context, *, json: options.Json = False) -> None:
    """Say whether the database has the shape that this version works with; exit 1, and what to do, where it has not."""
    invocation = Invocation.of(context)
    invocation.finish(operations.db.check_database(invocation, as_json=json))
