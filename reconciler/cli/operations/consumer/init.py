"""`overlay consumer init`: a key, a wallet, and what is meant where nothing is said."""

from __future__ import annotations

from dataclasses import replace

from reconciler.cli import errors
from reconciler.cli.commands.consumer.init import Told
from reconciler.cli.commands.consumer.wishes import amount
from reconciler.cli.invocation import Invocation
from reconciler.cli.shopping import Settings, buyers_keys, buyers_network, checked_origin, open_buyer
from reconciler.cli.views.purchases import wallet_json, wallet_text
from reconciler.model.ids import Network
from reconciler.model.networks import FAUCET_SATOSHIS


async def init(invocation: Invocation, told: Told, fund: int | None, *, as_json: bool) -> int:
    """Key, settings, and coins where those are worth nothing."""
    network = await buyers_network(invocation)
    path = invocation.home.consumer_settings(network)
    settings = _told(told, Settings.read(path), network)
    keys = buyers_keys(invocation, network, create=True)
    settings.write(path)
    async with open_buyer(invocation) as buyer:
        wanted = amount(fund)
        if wanted is None and network.is_toy and not (await buyer.consumer.balance()).total:
            wanted = FAUCET_SATOSHIS
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


def _told(told: Told, before: Settings, network: Network) -> Settings:
    """The settings before, with what was said in them. Raises UsageError."""
    limits = (amount(told.max_price), amount(told.daily_budget))
    return replace(
        before,
        overlay_url=before.overlay_url if told.overlay_url is None else checked_origin(told.overlay_url, network),
        max_price=before.max_price if limits[0] is None else limits[0],
        daily_budget=before.daily_budget if limits[1] is None else limits[1],
        hosts=tuple(url.rstrip("/") for url in told.host) if told.host else before.hosts,
        arc=told.arc or before.arc,
        chain_tracker=told.chain_tracker or before.chain_tracker,
    )
