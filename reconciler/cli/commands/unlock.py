"""`overlay state unlock`: give back what an apply that does not come back holds."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import operations, options
from reconciler.cli.arguments import manifest_paths
from reconciler.cli.invocation import Invocation
from reconciler.cli.spread import spread
from reconciler.model.errors import UsageError

_EPILOG = "Example: overlay state unlock; overlay state unlock --pending examples/producer.yaml"


Pending = Annotated[
    bool, typer.Option("--pending", help="The root that an apply on another machine holds and does not give back.")
]


def register(state: typer.Typer) -> None:
    """Add the command."""
    state.command("unlock", epilog=_EPILOG)(spread(unlock))


def unlock(
    context: typer.Context,
    *,
    paths: options.Paths = None,
    pending: Pending = False,
    doing: options.Doing,
    given: options.Given,
    overrides: options.Overrides,
) -> None:
    """Give back what an apply holds that does not come back.

    Without an option that is this database's lease: whose it is, is shown, and where that process is certain to be gone, nobody
    is asked. With --pending it is the root, which a lost machine left pending or told no host of: the coins return.
    """
    invocation = Invocation.of(context)
    if not pending:
        if paths or (given, overrides) != (options.Given(), options.Overrides()):
            raise UsageError("manifests are needed only to unlock a root", hint="--pending, for a root that is pending")
        invocation.finish(operations.unlock.release_lease(invocation, yes=doing.yes, as_json=doing.json))
    invocation.console.check_askable(yes=doing.yes)
    named = manifest_paths(paths or (), invocation.directory)
    invocation.finish(operations.unlock.give_back(invocation, named, given, overrides, doing))
