"""`overlay consumer wallet`: who the buyer is, and what he has."""

from __future__ import annotations

from reconciler.cli import errors
from reconciler.cli.commands.consumer.wishes import amount
from reconciler.cli.invocation import Invocation
from reconciler.cli.shopping import open_buyer
from reconciler.cli.views.purchases import wallet_json, wallet_text


async def wallet(invocation: Invocation, fund: int | None, *, as_json: bool) -> int:
    """Who the buyer is; coins that came are taken in first."""
    async with open_buyer(invocation) as buyer:
        await buyer.finish()
        wanted = amount(fund)
        if wanted:
            await buyer.consumer.fund(wanted)
        _, doubts = await buyer.consumer.receive()
        for doubt in doubts:
            invocation.console.note(f"Not counted: {doubt}.")
        facts = wallet_json(
            buyer.consumer.keys.identity,
            buyer.consumer.address,
            buyer.market.network,
            buyer.market.settings.to_json(),
            await buyer.consumer.balance(),
        )
    if as_json:
        invocation.console.document(facts)
    else:
        invocation.console.result(wallet_text(facts))
    return errors.DONE
