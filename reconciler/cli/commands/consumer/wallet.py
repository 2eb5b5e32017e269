"""`overlay consumer wallet`: who the buyer is, and what he has."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import errors, options
from reconciler.cli.commands.consumer.wishes import amount
from reconciler.cli.invocation import Invocation
from reconciler.cli.shopping import open_buyer
from reconciler.cli.views.purchases import wallet_json, wallet_text


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("wallet", epilog="Example: overlay consumer wallet --fund 50000")(wallet)


def wallet(
    context: typer.Context,
    *,
    fund: Annotated[
        int | None, typer.Option("--fund", metavar="SAT", help="Take so much from a toy network's faucet.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Show the buyer's key, address and money. Coins that were paid to the address are looked for, and taken in."""
    invocation = Invocation.of(context)
    invocation.finish(_wallet(invocation, fund, as_json=json))


async def _wallet(invocation: Invocation, fund: int | None, *, as_json: bool) -> int:
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
