"""`overlay schema`: the JSON Schema of the language, for editors."""

from __future__ import annotations

import typer

from reconciler.cli import errors, operations
from reconciler.cli.invocation import Invocation


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("schema", epilog="Example: overlay schema > overlay-v1.schema.json")(schema)


def schema(context: typer.Context) -> None:
    """Print the JSON Schema of manifests."""
    operations.schema.schema(Invocation.of(context).console)
    raise typer.Exit(errors.DONE)
