"""`overlay consumer quote`: what a gateway asks of this very buyer."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import errors, options
from reconciler.cli.commands.consumer.ordering import Goods, Method, Named, Wanted, Way, wanted
from reconciler.cli.commands.consumer.wishes import amount
from reconciler.cli.invocation import Invocation
from reconciler.cli.shopping import Buyer, open_buyer
from reconciler.cli.spread import spread
from reconciler.cli.views.purchases import Quoted, quotes_json, quotes_text
from reconciler.model.errors import GuardError
from reconciler.model.payment import PaymentMethod


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
    invocation.finish(_quote(invocation, goods or ["*"], named, method, cost, as_json=json))


async def _quote(
    invocation: Invocation,
    words: list[str],
    named: Named,
    method: Way | None,
    cost: int | None,
    *,
    as_json: bool,
) -> int:
    async with open_buyer(invocation, named.overlay_url) as buyer:
        found = [await _quoted(buyer, want, method) for want in await wanted(buyer, words, named)]
    if as_json:
        invocation.console.document(quotes_json(found))
    else:
        invocation.console.result(quotes_text(found))
    most, total = amount(cost), sum(each.quote.satoshis for each in found)
    if most is not None and total > most:
        raise GuardError(f"{total:,} satoshis are asked, and {most:,} are what it may cost", guards=("cost",))
    return errors.DONE


async def _quoted(buyer: Buyer, want: Wanted, method: Way | None) -> Quoted:
    quoted = await buyer.consumer.quote(want.catalog, want.good)
    order = await buyer.consumer.order(want.catalog, quoted, method=None if method is None else PaymentMethod(method))
    return Quoted(order=order, quote=quoted, producer=want.catalog.root.document.name)
