"""`overlay validate`: are the manifests right? Offline."""

from __future__ import annotations

import typer

from reconciler.cli import operations, options
from reconciler.cli.arguments import manifest_paths
from reconciler.cli.invocation import Invocation
from reconciler.cli.spread import spread

_EPILOG = "Example: overlay validate examples/producer.yaml"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("validate", epilog=_EPILOG)(spread(validate))


def validate(
    context: typer.Context, *, paths: options.Paths = None, given: options.Given, json: options.Json = False
) -> None:
    """Check manifests, and that the content they name is there. Asks nobody, changes nothing."""
    invocation = Invocation.of(context)
    named = manifest_paths(paths or (), invocation.directory)
    invocation.finish(operations.validate.validate(invocation, named, given, as_json=json))
