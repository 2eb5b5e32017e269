"""`overlay fmt`: manifests in their canonical form."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import operations, options
from reconciler.cli.arguments import manifest_paths
from reconciler.cli.invocation import Invocation


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("fmt", epilog="Example: overlay fmt --check examples/producer.yaml")(fmt)


def fmt(
    context: typer.Context,
    *,
    paths: options.Paths = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 when something would change.")] = False,
) -> None:
    """Write manifests in their canonical form: order, spacing. Comments and meaning stay; prints the files it changed."""
    invocation = Invocation.of(context)
    named = manifest_paths(paths or (), invocation.directory)
    raise typer.Exit(operations.fmt.fmt(invocation, named, check=check))
