"""`overlay wallet`: the coins that pay for applies."""

from __future__ import annotations

from reconciler.apply.receiving import funding_address, receive
from reconciler.cli import errors
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
from reconciler.control.funding import take_from_faucet
from reconciler.control.settling import settle_wallet
from reconciler.control.takings import takings
from reconciler.model.amounts import satoshis
from reconciler.model.errors import StateError, UsageError, VerificationError
from reconciler.model.ids import Outpoint, Txid
from reconciler.model.networks import endpoints_of
from reconciler.store.coins import Coins
from reconciler.wallet.gatewayfile import Gateway
from reconciler.wire.beef import Beef, parse_beef


async def address(invocation: Invocation, *, as_json: bool) -> int:
    """Where coins are sent."""
    network = await implied_network(invocation)
    found = funding_address(await implied_keys(invocation, network, create=True), network)
    if as_json:
        invocation.console.document({"address": found, "network": network.value})
    else:
        invocation.console.result(found)
    return errors.DONE


async def balance(invocation: Invocation, *, as_json: bool) -> int:
    """What there is, once what is on its way was looked after."""
    async with open_recorded(invocation) as site:
        await settle_wallet(site.database, site.world(), clock=clock)
        async with site.database.begin() as connection:
            found = await Coins(connection).balance()
    if as_json:
        invocation.console.document(balance_json(found))
    else:
        invocation.console.result(balance_text(found))
    return errors.DONE


async def fund(invocation: Invocation, amount: int, *, as_json: bool) -> int:
    """Take coins from the faucet. Raises UsageError where there is none."""
    network = await implied_network(invocation)
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


async def import_(invocation: Invocation, data: bytes, *, as_json: bool) -> int:
    """Take in a payment that is proven and unspent. Raises VerificationError."""
    beef, subject = _payment(data)
    network = await implied_network(invocation)
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


async def audit(invocation: Invocation, *, as_json: bool) -> int:
    """Hold books, coins and chain against each other; exit 1 where they differ."""
    network = await implied_network(invocation)
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
