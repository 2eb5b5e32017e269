"""`overlay consumer pay`: buying without downloading."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.commands.consumer.ordering import Goods, Named, Paying
from reconciler.cli.invocation import Invocation
from reconciler.cli.operations import consumer as operations
from reconciler.cli.spread import spread
from reconciler.model.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("pay", epilog="Example: overlay consumer pay --quote-id 5f0c3a9e21b74d68 --yes")(spread(pay))


def pay(
    context: typer.Context,
    goods: Goods = None,
    *,
    quote_id: Annotated[
        list[str] | None, typer.Option("--quote-id", metavar="ID", help="What `quote` has shown; repeatable.")
    ] = None,
    named: Named,
    paying: Paying,
    json: options.Json = False,
) -> None:
    """Pay for goods, and keep their receipts. `overlay consumer get` downloads what was paid for, and pays by itself.

    Nothing is paid twice: what a receipt still allows is had by it, and a payment that did not come to its end is brought again.
    """
    if not goods and not quote_id:
        raise UsageError("what is to be paid is not said", hint="name a GOOD, or --quote-id")
    invocation = Invocation.of(context)
    invocation.finish(operations.pay.pay(invocation, goods or [], quote_id or [], named, paying, as_json=json))
