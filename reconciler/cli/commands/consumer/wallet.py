"""`overlay consumer wallet`: who the buyer is, and what he has."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.invocation import Invocation
from reconciler.cli.operations import consumer as operations


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("wallet", epilog="Example: overlay consumer wallet --fund 50000")(wallet)


def wallet(
    context: typer.Context,
    *,
    fund: Annotated[
        int | None, typer.Option("--fund", metavar="SAT", help="Take so much from a toy network's faucet.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Show the buyer's key, address and money. Coins that were paid to the address are looked for, and taken in."""
    invocation = Invocation.of(context)
    invocation.finish(operations.wallet.wallet(invocation, fund, as_json=json))
