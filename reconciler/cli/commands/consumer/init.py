"""`overlay consumer init`: a key, a wallet, and what is meant where nothing is said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import typer

from reconciler.cli import errors, options
from reconciler.cli.commands.consumer.wishes import amount
from reconciler.cli.invocation import Invocation
from reconciler.cli.shopping import Settings, buyers_keys, buyers_network, checked_origin, open_buyer
from reconciler.cli.spread import spread
from reconciler.cli.views.purchases import wallet_json, wallet_text
from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is kept for later commands; whatever is not said stays as it was."""

    overlay_url: Annotated[
        str | None,
        typer.Option("--overlay-url", metavar="URL", help="The gateway that is meant where none is named."),
    ] = None
    max_price: Annotated[
        int | None,
        typer.Option("--max-price", metavar="SAT", help="The most for one good; up to it nobody is asked."),
    ] = None
    daily_budget: Annotated[
        int | None,
        typer.Option("--daily-budget", metavar="SAT", help="The most for all purchases of a day (UTC), fees included."),
    ] = None
    host: Annotated[
        list[str] | None,
        typer.Option("--host", metavar="URL", help="A host to ask, in place of the network's own; repeatable."),
    ] = None
    arc: Annotated[
        str | None,
        typer.Option("--arc", metavar="URL", help="The transaction processor, in place of the network's own."),
    ] = None
    chain_tracker: Annotated[
        str | None,
        typer.Option(
            "--chain-tracker", metavar="URL", help="Where block headers come from, in place of the network's own."
        ),
    ] = None

    def over(self, before: Settings, network: Network) -> Settings:
        """The settings with what was said in them. Raises UsageError."""
        limits = (amount(self.max_price), amount(self.daily_budget))
        return replace(
            before,
            overlay_url=before.overlay_url if self.overlay_url is None else checked_origin(self.overlay_url, network),
            max_price=before.max_price if limits[0] is None else limits[0],
            daily_budget=before.daily_budget if limits[1] is None else limits[1],
            hosts=tuple(url.rstrip("/") for url in self.host) if self.host else before.hosts,
            arc=self.arc or before.arc,
            chain_tracker=self.chain_tracker or before.chain_tracker,
        )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init", epilog="Example: overlay consumer init --overlay-url http://localhost:3000")(spread(init))


def init(
    context: typer.Context,
    *,
    told: Told,
    fund: Annotated[
        int | None,
        typer.Option(
            "--fund", metavar="SAT", help="Take so much from a toy network's faucet; 100,000 for an empty wallet."
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Make this machine a buyer: a key of its own, an empty wallet, and where to look. Repeating it changes what is said.

    The key is kept in OVERLAY_HOME/consumer.key, encrypted with OVERLAY_PASSPHRASE if that is set; on test and main it must be.
    """
    invocation = Invocation.of(context)
    invocation.finish(_init(invocation, told, fund, as_json=json))


async def _init(invocation: Invocation, told: Told, fund: int | None, *, as_json: bool) -> int:
    network = buyers_network(invocation)
    path = invocation.home.consumer_settings(network)
    settings = told.over(Settings.read(path), network)
    keys = buyers_keys(invocation, network, create=True)
    settings.write(path)
    async with open_buyer(invocation) as buyer:
        wanted = amount(fund)
        if wanted is None and network.is_toy and not (await buyer.consumer.balance()).total:
            wanted = GIFT
        if wanted:
            received = await buyer.consumer.fund(wanted)
            invocation.console.note(f"The faucet gave {received:,} satoshis, which are worth nothing elsewhere.")
        balance = await buyer.consumer.balance()
        address = buyer.consumer.address
    facts = wallet_json(keys.identity, address, network, settings.to_json(), balance)
    if as_json:
        invocation.console.document(facts)
    else:
        invocation.console.result(wallet_text(facts))
    return errors.DONE


GIFT = Satoshis(100_000)
"""What a buyer takes from a toy network's faucet."""
