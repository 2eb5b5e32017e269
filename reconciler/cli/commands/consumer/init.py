"""`overlay consumer init`: a key, a wallet, and what is meant where nothing is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.invocation import Invocation
from reconciler.cli.operations import consumer as operations
from reconciler.cli.spread import spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is kept for later commands; whatever is not said stays as it was."""

    overlay_url: Annotated[
        str | None,
        typer.Option("--overlay-url", metavar="URL", help="The gateway that is meant where none is named."),
    ] = None
    max_price: Annotated[
        int | None,
        typer.Option("--max-price", metavar="SAT", help="The most for one good; up to it nobody is asked."),
    ] = None
    daily_budget: Annotated[
        int | None,
        typer.Option("--daily-budget", metavar="SAT", help="The most for all purchases of a day (UTC), fees included."),
    ] = None
    host: Annotated[
        list[str] | None,
        typer.Option("--host", metavar="URL", help="A host to ask, in place of the network's own; repeatable."),
    ] = None
    arc: Annotated[
        str | None,
        typer.Option("--arc", metavar="URL", help="The transaction processor, in place of the network's own."),
    ] = None
    chain_tracker: Annotated[
        str | None,
        typer.Option(
            "--chain-tracker", metavar="URL", help="Where block headers come from, in place of the network's own."
        ),
    ] = None


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init", epilog="Example: overlay consumer init --overlay-url http://localhost:3000")(spread(init))


def init(
    context: typer.Context,
    *,
    told: Told,
    fund: Annotated[
        int | None,
        typer.Option(
            "--fund", metavar="SAT", help="Take so much from a toy network's faucet; 100,000 for an empty wallet."
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Make this machine a buyer: a key of its own, an empty wallet, and where to look. Repeating it changes what is said.

    The key is kept in OVERLAY_HOME/consumer.key, encrypted with OVERLAY_PASSPHRASE if that is set; on test and main it must be.
    """
    invocation = Invocation.of(context)
    invocation.finish(operations.init.init(invocation, told, fund, as_json=json))
