"""`overlay explain`: what a kind or field means."""

from __future__ import annotations

from reconciler.cli.console import Console
from reconciler.cli.views.explain import render
from reconciler.manifest import explain as language


def explain(console: Console, path: str, *, as_json: bool) -> None:
    """Show it. Raises UsageError."""
    found = language.explain(path)
    if as_json:
        console.document(found.to_json())
    else:
        console.result(render(found))
