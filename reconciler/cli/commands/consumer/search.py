"""`overlay consumer search`: goods of all producers side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import errors, options
from reconciler.cli.commands.consumer import wishes
from reconciler.cli.commands.consumer.wishes import GoodKind, Wished, typed
from reconciler.cli.invocation import Invocation
from reconciler.cli.shopping import open_market
from reconciler.cli.spread import spread
from reconciler.cli.views.market import faults, goods_json, goods_text
from reconciler.consumer.offers import Wish
from reconciler.consumer.search import Order
from reconciler.consumer.search import search as find
from reconciler.model.ids import Kind, identity_key


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("search", epilog="Example: overlay consumer search --tags crypto,historical --max-price 5000")(
        spread(search)
    )


def search(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Name, or pattern such as 'crypto-history/*'.")
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
    invocation.finish(_search(invocation, wish, name, sort, overlay_url, as_json=json))


async def _search(
    invocation: Invocation, wish: Wish, name: str | None, order: Order, gateway: str | None, *, as_json: bool
) -> int:
    async with open_market(invocation, gateway) as open_:
        market = await open_.discovery().market(wish)
    found = find(market.sellers, wish, name=name, order=order)
    if as_json:
        invocation.console.document(goods_json(found, market))
    else:
        for fault in faults(market):
            invocation.console.note(f"Not counted: {fault}.")
        invocation.console.result(goods_text(found))
    return errors.DONE
