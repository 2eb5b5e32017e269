"""`overlay state`: what this machine has recorded, and getting it back when it is lost."""

from __future__ import annotations

import typer

from reconciler.cli import operations, options
from reconciler.cli.commands import unlock
from reconciler.cli.invocation import Invocation

app = typer.Typer(help="The recorded state, and its restoration.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the command group."""
    unlock.register(app)
    root.add_typer(app, name="state")


@app.command("list", epilog="Example: overlay state list")
def list_state(context: typer.Context, *, json: options.Json = False) -> None:
    """List every object that this machine has recorded as live."""
    invocation = Invocation.of(context)
    invocation.finish(operations.state.list_state(invocation, as_json=json))


@app.command("rebuild", epilog="Example: overlay state rebuild --network embedded")
def rebuild(context: typer.Context, *, json: options.Json = False) -> None:
    """Restore the recorded state from the overlay and the identity key alone. Needs no manifest, unless it names hosts."""
    invocation = Invocation.of(context)
    invocation.finish(operations.state.rebuild(invocation, as_json=json))
