"""`overlay init`: a first manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import errors
from reconciler.cli.invocation import Invocation
from reconciler.model.errors import StateError

_MANIFEST = """\
# What you want on the overlay. `overlay plan` shows what would change, `overlay apply` makes it so.
apiVersion: overlay/v1
kind: Producer
metadata: {name: my-company}
spec:
  displayName: My Company
  description: Says in one sentence who publishes here
  contact: {email: data@example.com}
  regions: [global]
  gateway: {url: "http://localhost:3000"}
  network: embedded   # a whole network inside this machine; then local, test, main
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: greetings}
spec:
  source: {path: data/greetings.csv}
  title: Greetings in three languages
  description: {generate: true}
  tags: [example]
  license: CC0-1.0
"""
_DATA = "language,greeting\nde,Hallo\nen,Hello\nfr,Bonjour\n"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init", epilog="Example: overlay init my-data && cd my-data && overlay plan")(init)


def init(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where; the working directory by default.")] = Path(),
) -> None:
    """Write a first manifest, with a small dataset to publish. Overwrites nothing."""
    invocation = Invocation.of(context)
    folder = invocation.directory / directory
    manifest, data = folder / "producer.yaml", folder / "data" / "greetings.csv"
    for path in (manifest, data):
        if path.exists():
            raise StateError("there is one already", where=str(path), hint="choose another folder")
    data.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(_MANIFEST, encoding="utf-8")
    data.write_text(_DATA, encoding="utf-8")
    console = invocation.console
    where = "" if folder == invocation.directory else f"cd {directory} && "
    console.note(f"Next: {where}overlay plan")
    console.result(f"Wrote {manifest}.")
    raise typer.Exit(errors.DONE)
