"""`overlay validate`: are the manifests right? Offline."""

from __future__ import annotations

from pathlib import Path

import typer

from reconciler.cli import errors, options
from reconciler.cli.arguments import manifest_paths
from reconciler.cli.invocation import Invocation
from reconciler.cli.spread import spread
from reconciler.cli.views import diagnostics
from reconciler.cli.views.resolved import summary
from reconciler.cli.wiring import load_manifests
from reconciler.model.errors import ManifestError

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
    invocation.finish(_validate(invocation, named, given, as_json=json))


async def _validate(invocation: Invocation, paths: tuple[Path, ...], given: options.Given, *, as_json: bool) -> int:
    console = invocation.console
    try:
        loaded = await load_manifests(invocation, paths, given)
    except ManifestError as error:
        if not as_json:
            raise
        console.document({"valid": False, "diagnostics": diagnostics.to_json(error.diagnostics)})
        return errors.ERROR
    if as_json:
        console.document({"valid": True, "diagnostics": diagnostics.to_json(loaded.warnings)})
        return errors.DONE
    for line in diagnostics.lines(loaded.warnings):
        console.note(line)
    console.result(summary(loaded.state))
    return errors.DONE
