"""`overlay consumer discover`: who offers what, proven."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.commands.consumer import wishes
from reconciler.cli.commands.consumer.wishes import Wished
from reconciler.cli.invocation import Invocation
from reconciler.cli.operations import consumer as operations
from reconciler.cli.spread import spread


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
    invocation.finish(operations.discover.discover(invocation, service_type, wished, overlay_url, as_json=json))
