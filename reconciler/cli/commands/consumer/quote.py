"""`overlay consumer quote`: what a gateway asks of this very buyer."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.commands.consumer.ordering import Goods, Method, Named
from reconciler.cli.invocation import Invocation
from reconciler.cli.operations import consumer as operations
from reconciler.cli.spread import spread


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "quote", epilog="Example: overlay consumer quote 'crypto-history/*' --provider cryptomarkets-pro --cost 5000"
    )(spread(quote))


def quote(
    context: typer.Context,
    goods: Goods = None,
    *,
    named: Named,
    method: Method = None,
    cost: Annotated[
        int | None, typer.Option("--cost", metavar="SAT", help="Exit 3 where all of them together cost more.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Ask what goods cost this buyer now, tier and discount included, and for how long. Nothing is paid.

    Each quote is kept: `overlay consumer pay --quote-id ID` pays it. Without GOOD, all datasets of the provider.
    """
    invocation = Invocation.of(context)
    invocation.finish(operations.quote.quote(invocation, goods or ["*"], named, method, cost, as_json=json))
