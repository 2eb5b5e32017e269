"""`overlay validate`: are the manifests right? Offline."""

from __future__ import annotations

from pathlib import Path

from reconciler.cli import errors, options
from reconciler.cli.invocation import Invocation
from reconciler.cli.manifests import load_manifests
from reconciler.cli.views import diagnostics
from reconciler.cli.views.resolved import summary
from reconciler.model.errors import ManifestError


async def validate(invocation: Invocation, paths: tuple[Path, ...], given: options.Given, *, as_json: bool) -> int:
    """Load the manifests, and say what they add up to."""
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
