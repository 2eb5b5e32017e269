"""`overlay consumer pay`: buying without downloading."""

from __future__ import annotations

from reconciler.cli import errors
from reconciler.cli.commands.consumer.ordering import Named, Paying
from reconciler.cli.invocation import Invocation
from reconciler.cli.operations.consumer.ordering import agree, chosen, paid, wanted
from reconciler.cli.shopping import Buyer, open_buyer
from reconciler.cli.views.purchases import orders_json, orders_text
from reconciler.cli.wiring import clock
from reconciler.consumer.consumer import quoted_of
from reconciler.model.errors import UsageError
from reconciler.model.order import Order, OrderState
from reconciler.model.payment import PaymentMethod


async def pay(
    invocation: Invocation,
    words: list[str],
    quotes: list[str],
    named: Named,
    paying: Paying,
    *,
    as_json: bool,
) -> int:
    """What was quoted before, and goods."""
    async with open_buyer(invocation, named.overlay_url) as buyer:
        await buyer.finish()
        orders = await _quoted(buyer, quotes, paying)
        wants = await wanted(buyer, words, named)
        orders += [await paid(buyer, each, paying) for each in await chosen(buyer, wants, paying, now=int(clock()))]
    if as_json:
        invocation.console.document(orders_json(orders))
    else:
        invocation.console.result(orders_text(orders))
    return errors.DONE


async def _quoted(buyer: Buyer, names: list[str], paying: Paying) -> list[Order]:
    """Pay what was quoted before, at that price."""
    orders = [await _order(buyer, name) for name in names]
    for order in orders:
        if paying.method is not None and PaymentMethod(paying.method) is not order.method:
            raise UsageError(f"the quote {order.id} is to be paid by {order.method}", hint="quote it with --method")
    await agree(buyer, paying, [quoted_of(order) for order in orders if order.state is OrderState.QUOTED])
    return [await buyer.consumer.pay(order) for order in orders]


async def _order(buyer: Buyer, name: str) -> Order:
    found = await buyer.consumer.books.order(name)
    if found is None:
        raise UsageError(f"there is no quote {name} here", hint="`overlay consumer quote` makes one")
    return found
