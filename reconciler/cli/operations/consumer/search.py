"""`overlay consumer search`: goods of all producers side by side."""

from __future__ import annotations

from reconciler.cli import errors
from reconciler.cli.invocation import Invocation
from reconciler.cli.shopping import open_market
from reconciler.cli.views.market import faults, goods_json, goods_text
from reconciler.consumer.offers import Order, Wish
from reconciler.consumer.search import search as find


async def search(
    invocation: Invocation, wish: Wish, name: str | None, order: Order, gateway: str | None, *, as_json: bool
) -> int:
    """Goods of all producers."""
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
