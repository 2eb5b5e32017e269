"""`overlay consumer discover`: who offers what, proven."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import errors, options
from reconciler.cli.commands.consumer import wishes
from reconciler.cli.commands.consumer.wishes import Wished
from reconciler.cli.invocation import Invocation
from reconciler.cli.shopping import open_market
from reconciler.cli.spread import spread
from reconciler.cli.views.market import faults, services_json, services_text
from reconciler.consumer.search import services


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("discover", epilog="Example: overlay consumer discover --service-type data-feed --max-price 1000")(
        spread(discover)
    )


def discover(
    context: typer.Context,
    *,
    service_type: Annotated[
        str | None,
        typer.Option(
            "--service-type", metavar="TYPE", help="As producers advertise it, such as data-feed; or a capability."
        ),
    ] = None,
    wished: Wished,
    overlay_url: wishes.Gateway = None,
    json: options.Json = False,
) -> None:
    """Show which producers offer what, from what price on, and whether their gateways are open. Needs no key and no coins.

    Trackers and hosts name them; what is shown was proven: the root is on this chain, the catalog adds up to it, and the
    gateway has authenticated as the key that the root names.
    """
    invocation = Invocation.of(context)
    invocation.finish(_discover(invocation, service_type, wished, overlay_url, as_json=json))


async def _discover(
    invocation: Invocation, service_type: str | None, wished: Wished, gateway: str | None, *, as_json: bool
) -> int:
    wish = wished.wish()
    async with open_market(invocation, gateway) as open_:
        market = await open_.discovery().market(wish)
    found = services(market.sellers, wish, service_type=service_type)
    if as_json:
        invocation.console.document(services_json(found, market))
    else:
        for fault in faults(market):
            invocation.console.note(f"Not counted: {fault}.")
        invocation.console.result(services_text(found))
    return errors.DONE
