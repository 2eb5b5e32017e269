"""`overlay explain`: what a kind or field means."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import errors, operations, options
from reconciler.cli.invocation import Invocation


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain", epilog="Example: overlay explain dataset.source.glob")(explain)


def explain(
    context: typer.Context,
    path: Annotated[str, typer.Argument(metavar="KIND[.FIELD]", help="Such as dataset or dataset.source.glob.")],
    *,
    json: options.Json = False,
) -> None:
    """Say what a kind or field means. Its type, who may read it, its default, an example."""
    operations.explain.explain(Invocation.of(context).console, path, as_json=json)
    raise typer.Exit(errors.DONE)
