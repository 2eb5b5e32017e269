"""`overlay identity verify`: the producer as strangers see it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from reconciler.cli import errors
from reconciler.cli.commands.verify import Looks
from reconciler.cli.databases import Otherwise
from reconciler.cli.gateways import gateway_keys, gateway_of
from reconciler.cli.implied import implied_keys, implied_network
from reconciler.cli.invocation import Invocation
from reconciler.cli.views.verify import verified_json, verified_text
from reconciler.cli.wiring import Site, clock, new_keys, open_site
from reconciler.consumer.opening import open_consumer
from reconciler.control.doctor import Check, checked
from reconciler.control.reputation import Reputation, reputation
from reconciler.control.verify import Verification
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import StateError, UsageError
from reconciler.model.goods import Good
from reconciler.model.ids import IdentityKey, Network
from reconciler.observe.roots import LiveRoot
from reconciler.store.published import Published
from reconciler.wallet.keys import Keys

_FEES: Final = 5_000
"""Satoshis that a purchase on a toy network may cost besides its price."""


async def verify(invocation: Invocation, looks: Looks, *, as_json: bool) -> int:
    """Look, and hold it against what is recorded."""
    network = await implied_network(invocation)
    identity, keys = await _keys(invocation, network)
    async with open_site(invocation, network, identity=identity, otherwise=Otherwise.READ) as site:
        gateway = await gateway_keys(invocation, site, identity, keys)
        checks, seen = await _looked(site, identity, looks, gateway)
    if as_json:
        invocation.console.document({"identityKey": identity, **verified_json(checks, seen)})
    else:
        invocation.console.result(f"{identity} on {network}\n{verified_text(checks, seen)}")
    return errors.DONE if all(check.ok for check in checks) else errors.ERROR


async def _looked(
    site: Site, identity: IdentityKey, looks: Looks, gateway: Keys
) -> tuple[list[Check], Reputation | None]:
    now = int(clock())
    async with site.database.reading() as connection:
        recorded = await Published(connection).root()
    verification = Verification(world=site.world(), identity=identity, recorded=recorded, visitor=new_keys(), now=now)
    readings, live = await verification.read()
    checks = await verification.published(readings, live)
    if looks.validate_advertisements:
        checks += await verification.advertisements(live)
    if looks.test_payment_endpoints:
        checks += await verification.payment_endpoints(live)
    if looks.pay:
        checks.append(
            await checked("purchase", _bought(site, verification, live), hint="see the log of `overlay serve`")
        )
    if not looks.check_reputation:
        return checks, None
    return checks, await reputation(site.world(), live, database=site.database, gateway=gateway, now=now)


async def _bought(site: Site, verification: Verification, live: LiveRoot) -> str:
    """Buy as a stranger does, with a key and a folder that are thrown away."""
    if not site.network.is_toy:
        raise UsageError(f"coins of {site.network} are worth something", hint="buy with `overlay consumer get`")
    good = Good(await verification.for_sale(live))
    with TemporaryDirectory(prefix="overlay-") as folder:
        async with open_consumer(
            Path(folder),
            network=site.network,
            endpoints=site.endpoints,
            http=site.http,
            strangers=site.strangers,
            resolver=site.resolver,
            clock=clock,
        ) as consumer:
            catalog = await consumer.catalog(live.document.producer)
            quoted = await consumer.quote(catalog, good)
            await consumer.fund(Satoshis(quoted.satoshis + _FEES))
            order = await consumer.buy(catalog, good, quoted=quoted)
            got = await consumer.get(order, Path(folder) / "content")
    return (
        f"{order.paid:,} sat paid for {good} by {order.method}; {got.size:,} bytes came, and are what the document says"
    )


async def _keys(invocation: Invocation, network: Network) -> tuple[IdentityKey, Keys]:
    """Whose, and the keys that are here: the identity's, or a gateway's on its machine. Raises StateError."""
    try:
        keys = await implied_keys(invocation, network, create=False)
    except StateError:
        gateway = gateway_of(invocation, network)
        if gateway is None:
            raise
        return gateway.producer, gateway.keys
    return keys.identity, keys
