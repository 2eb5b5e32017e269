"""`overlay consumer quote`: what a gateway asks of this very buyer."""

from __future__ import annotations

from reconciler.cli import errors
from reconciler.cli.commands.consumer.ordering import Named, Way
from reconciler.cli.commands.consumer.wishes import amount
from reconciler.cli.invocation import Invocation
from reconciler.cli.operations.consumer.ordering import Wanted, wanted
from reconciler.cli.shopping import Buyer, open_buyer
from reconciler.cli.views.purchases import Quoted, quotes_json, quotes_text
from reconciler.model.errors import GuardError
from reconciler.model.payment import PaymentMethod


async def quote(
    invocation: Invocation,
    words: list[str],
    named: Named,
    method: Way | None,
    cost: int | None,
    *,
    as_json: bool,
) -> int:
    """A price for each good. Raises GuardError where they cost more than `cost`."""
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
