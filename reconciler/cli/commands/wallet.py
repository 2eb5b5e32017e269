"""`overlay wallet`: the coins that pay for applies."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from reconciler.apply.receiving import funding_address, receive
from reconciler.cli import errors, options
from reconciler.cli.gateways import gateway_keys, gateway_of
from reconciler.cli.implied import implied_keys, implied_network, open_recorded
from reconciler.cli.invocation import Invocation
from reconciler.cli.views.wallet import (
    audit_json,
    audit_text,
    balance_json,
    balance_text,
    takings_json,
    takings_text,
)
from reconciler.cli.wiring import clock, open_site
from reconciler.control.audit import audit as audit_wallet
from reconciler.control.binding import check_identity
from reconciler.control.funding import FAUCET_SATOSHIS, take_from_faucet
from reconciler.control.settling import settle_wallet
from reconciler.control.takings import takings
from reconciler.model.amounts import satoshis
from reconciler.model.errors import StateError, UsageError, VerificationError
from reconciler.model.ids import Outpoint, Txid
from reconciler.model.networks import endpoints_of
from reconciler.store.coins import Coins
from reconciler.wallet.gatewayfile import Gateway
from reconciler.wire.beef import Beef, parse_beef

app = typer.Typer(help="The coins that pay for applies.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the command group."""
    root.add_typer(app, name="wallet")


@app.command("address", epilog="Example: overlay wallet address")
def address(context: typer.Context, *, json: options.Json = False) -> None:
    """Show where to send coins."""
    invocation = Invocation.of(context)
    invocation.finish(_address(invocation, as_json=json))


@app.command("balance", epilog="Example: overlay wallet balance --json")
def balance(context: typer.Context, *, json: options.Json = False) -> None:
    """Show what the wallet holds, in satoshis."""
    invocation = Invocation.of(context)
    invocation.finish(_balance(invocation, as_json=json))


@app.command("fund", epilog="Example: overlay wallet fund 50000")
def fund(
    context: typer.Context,
    amount: Annotated[int, typer.Argument(metavar="[SAT]", help="Satoshis to take from the faucet.")] = FAUCET_SATOSHIS,
    *,
    json: options.Json = False,
) -> None:
    """Take coins from the faucet of an embedded or local network; elsewhere, say where to send them."""
    invocation = Invocation.of(context)
    invocation.finish(_fund(invocation, amount, as_json=json))


@app.command("import", epilog="Example: overlay wallet import payment.beef")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE|-", help="A payment with its proof (BEEF), as bytes or hex.")],
    *,
    json: options.Json = False,
) -> None:
    """Take in a payment to this wallet's address that somebody hands over with its proof, and nobody has spent since."""
    invocation = Invocation.of(context)
    data = sys.stdin.buffer.read() if str(file) == "-" else (invocation.directory / file).read_bytes()
    invocation.finish(_import(invocation, data, as_json=json))


@app.command("audit", epilog="Example: overlay wallet audit")
def audit(context: typer.Context, *, json: options.Json = False) -> None:
    """Hold the books against the coins and the coins against the chain. Exit 1 only where they differ."""
    invocation = Invocation.of(context)
    invocation.finish(_audit(invocation, as_json=json))


async def _address(invocation: Invocation, *, as_json: bool) -> int:
    network = implied_network(invocation)
    found = funding_address(await implied_keys(invocation, network, create=True), network)
    if as_json:
        invocation.console.document({"address": found, "network": network.value})
    else:
        invocation.console.result(found)
    return errors.DONE


async def _balance(invocation: Invocation, *, as_json: bool) -> int:
    async with open_recorded(invocation) as site:
        await settle_wallet(site.database, site.world(), clock=clock)
        async with site.database.begin() as connection:
            found = await Coins(connection).balance()
    if as_json:
        invocation.console.document(balance_json(found))
    else:
        invocation.console.result(balance_text(found))
    return errors.DONE


async def _fund(invocation: Invocation, amount: int, *, as_json: bool) -> int:
    network = implied_network(invocation)
    keys = await implied_keys(invocation, network, create=True)
    async with open_site(invocation, network, identity=keys.identity) as site:
        world = site.world()
        if world.faucet is None:
            raise UsageError(
                f"nobody gives coins away on {network}", hint=f"send them to {funding_address(keys, network)}"
            )
        try:
            wanted = satoshis(amount)
        except ValueError as error:
            raise UsageError(str(error)) from error
        received = await take_from_faucet(
            world.faucet,
            wanted,
            keys=keys,
            network=network,
            database=site.database,
            headers=world.headers,
            now=int(clock()),
        )
        async with site.database.begin() as connection:
            found = await Coins(connection).balance()
    if as_json:
        invocation.console.document({"received": received, **balance_json(found)})
    else:
        invocation.console.result(f"Received {received:,} satoshis.\n{balance_text(found)}")
    return errors.DONE


async def _import(invocation: Invocation, data: bytes, *, as_json: bool) -> int:
    beef, subject = _payment(data)
    network = implied_network(invocation)
    keys = await implied_keys(invocation, network, create=True)
    async with open_site(invocation, network, identity=keys.identity) as site:
        world = site.world()
        await check_identity(site.database, keys.identity)
        if beef.proof(subject) is None:
            raise VerificationError(
                "no block proves the payment yet", where=subject, hint="import it with its proof, once it is mined"
            )
        outputs = range(len(beef.transactions[subject].transaction.outputs))
        points = [Outpoint(subject, vout) for vout in outputs]
        unspent = [point for point in points if await world.index.spender(point) is None]
        received = await receive(
            beef,
            subject,
            keys=keys,
            database=site.database,
            verifier=world.headers,
            now=int(clock()),
            unspent=unspent,
        )
        async with site.database.begin() as connection:
            found = await Coins(connection).balance()
    if as_json:
        invocation.console.document({"received": received, **balance_json(found)})
    else:
        invocation.console.result(f"Received {received:,} satoshis.\n{balance_text(found)}")
    return errors.DONE


def _payment(data: bytes) -> tuple[Beef, Txid]:
    """A transaction with its ancestry, as bytes or hex. Raises VerificationError."""
    try:
        raw = bytes.fromhex(data.decode("ascii").strip())
    except ValueError:
        raw = data
    beef, subject = parse_beef(raw)
    return beef, beef.subject_or_last(subject)


async def _audit(invocation: Invocation, *, as_json: bool) -> int:
    network = implied_network(invocation)
    try:
        keys = await implied_keys(invocation, network, create=False)
    except StateError:
        gateway = gateway_of(invocation, network)
        if gateway is None:
            raise
        return await _audit_gateway(invocation, gateway, as_json=as_json)
    async with open_site(invocation, network, identity=keys.identity) as site:
        world = site.world()
        await settle_wallet(site.database, world, clock=clock)
        gateway_own = await gateway_keys(invocation, site, keys.identity, keys)
        found = await audit_wallet(
            database=site.database, keys=keys, gateway=gateway_own, arc=world.arc, headers=world.headers
        )
    if as_json:
        invocation.console.document(audit_json(found))
    else:
        invocation.console.result(audit_text(found))
    return errors.DONE if found.balanced else errors.ERROR


async def _audit_gateway(invocation: Invocation, gateway: Gateway, *, as_json: bool) -> int:
    """Of a machine that only serves: it has no wallet, but what it was paid."""
    endpoints = endpoints_of(gateway.network, {"network": gateway.world}) if gateway.world else None
    async with open_site(invocation, gateway.network, identity=gateway.producer, endpoints=endpoints) as site:
        world = site.world()
        found = await takings(database=site.database, gateway=gateway.keys, arc=world.arc, headers=world.headers)
    if as_json:
        invocation.console.document(takings_json(found))
    else:
        invocation.console.result(takings_text(found))
    return errors.ERROR if found.differences else errors.DONE
