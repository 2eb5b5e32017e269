"""`overlay schema`: the JSON Schema of the language, for editors."""

from __future__ import annotations

from reconciler.cli.console import Console
from reconciler.manifest.schema import text


def schema(console: Console) -> None:
    """Print it."""
    console.result(text().rstrip("\n"))
