"""`overlay consumer discover`: who offers what, proven."""

from __future__ import annotations

from reconciler.cli import errors
from reconciler.cli.commands.consumer.wishes import Wished
from reconciler.cli.invocation import Invocation
from reconciler.cli.shopping import open_market
from reconciler.cli.views.market import faults, services_json, services_text
from reconciler.consumer.search import services


async def discover(
    invocation: Invocation, service_type: str | None, wished: Wished, gateway: str | None, *, as_json: bool
) -> int:
    """Who offers what, of those that were proven."""
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
