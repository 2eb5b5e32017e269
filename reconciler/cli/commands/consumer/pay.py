"""`overlay consumer pay`: buying without downloading."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import errors, options
from reconciler.cli.commands.consumer.ordering import Goods, Named, Paying, chosen, paid, wanted
from reconciler.cli.invocation import Invocation
from reconciler.cli.shopping import Buyer, open_buyer
from reconciler.cli.spread import spread
from reconciler.cli.views.purchases import orders_json, orders_text
from reconciler.cli.wiring import clock
from reconciler.consumer.consumer import quoted_of
from reconciler.model.errors import UsageError
from reconciler.model.order import Order, OrderState
from reconciler.model.payment import PaymentMethod


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
    invocation.finish(_pay(invocation, goods or [], quote_id or [], named, paying, as_json=json))


async def _pay(
    invocation: Invocation,
    words: list[str],
    quotes: list[str],
    named: Named,
    paying: Paying,
    *,
    as_json: bool,
) -> int:
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
    await paying.agree(buyer, [quoted_of(order) for order in orders if order.state is OrderState.QUOTED])
    return [await buyer.consumer.pay(order) for order in orders]


async def _order(buyer: Buyer, name: str) -> Order:
    found = await buyer.consumer.books.order(name)
    if found is None:
        raise UsageError(f"there is no quote {name} here", hint="`overlay consumer quote` makes one")
    return found
