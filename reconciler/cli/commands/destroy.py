"""`overlay destroy`: take everything back."""

from __future__ import annotations

import typer

from reconciler.cli import operations, options
from reconciler.cli.arguments import manifest_paths
from reconciler.cli.invocation import Invocation
from reconciler.cli.spread import spread

_EPILOG = "Example: overlay destroy examples/producer.yaml --reason 'moved elsewhere'"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("destroy", epilog=_EPILOG)(spread(destroy))


def destroy(
    context: typer.Context,
    *,
    paths: options.Paths = None,
    doing: options.Doing,
    given: options.Given,
    overrides: options.Overrides,
) -> None:
    """Delete all that is published, the producer itself, too. Records, advertisements and copies go, the coins return."""
    invocation = Invocation.of(context)
    invocation.console.check_askable(yes=doing.yes)
    named = manifest_paths(paths or (), invocation.directory)
    invocation.finish(operations.destroy.destroy(invocation, named, given, overrides, doing))
