"""`overlay consumer search`: goods of all producers side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.commands.consumer import wishes
from reconciler.cli.commands.consumer.wishes import GoodKind, Wished, typed
from reconciler.cli.invocation import Invocation
from reconciler.cli.operations import consumer as operations
from reconciler.cli.spread import spread
from reconciler.consumer.offers import Order
from reconciler.model.ids import Kind, identity_key


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("search", epilog="Example: overlay consumer search --tags crypto,historical --max-price 5000")(
        spread(search)
    )


def search(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Name, or pattern such as 'crypto-history/*'.")
    ] = None,
    *,
    kind: Annotated[GoodKind | None, typer.Option("--kind", help="Only these.")] = None,
    producer: Annotated[str | None, typer.Option("--producer", metavar="KEY", help="Only this producer's.")] = None,
    wished: Wished,
    sort: Annotated[Order, typer.Option("--sort", help="What comes first.")] = Order.PRICE,
    overlay_url: wishes.Gateway = None,
    json: options.Json = False,
) -> None:
    """Show goods of all producers that can be found, the cheapest first. Needs no key and no coins."""
    invocation = Invocation.of(context)
    wish = wished.wish(
        producer=None if producer is None else typed(identity_key, producer),
        kind=None if kind is None else Kind(kind),
    )
    invocation.finish(operations.search.search(invocation, wish, name, sort, overlay_url, as_json=json))
