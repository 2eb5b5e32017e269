"""`overlay doctor`: is this machine fit, and does everybody answer?"""

from __future__ import annotations

import typer

from reconciler.cli import operations, options
from reconciler.cli.invocation import Invocation
from reconciler.cli.spread import spread


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", epilog="Example: overlay doctor --network test")(spread(doctor))


def doctor(
    context: typer.Context, *, paths: options.Paths = None, given: options.Given, json: options.Json = False
) -> None:
    """Check this machine, and everybody that an apply has to reach. Publishes and spends nothing."""
    invocation = Invocation.of(context)
    invocation.finish(operations.doctor.doctor(invocation, tuple(paths or ()), given, as_json=json))
