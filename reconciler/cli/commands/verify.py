"""`overlay identity verify`: the producer as strangers see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from reconciler.cli import errors, options
from reconciler.cli.databases import Otherwise
from reconciler.cli.implied import implied_keys, implied_network
from reconciler.cli.invocation import Invocation
from reconciler.cli.spread import spread
from reconciler.cli.views.verify import verified_json, verified_text
from reconciler.cli.wiring import Site, clock, gateway_of, new_keys, open_site
from reconciler.control.doctor import Check
from reconciler.control.reputation import Reputation, reputation
from reconciler.control.verify import Verification
from reconciler.model.errors import StateError
from reconciler.model.ids import IdentityKey, Network
from reconciler.store.published import Published


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What is looked at besides root and records."""

    check_reputation: Annotated[
        bool,
        typer.Option("--check-reputation", help="Show what chain and books tell of the past. Counted, not scored."),
    ] = False
    validate_advertisements: Annotated[
        bool,
        typer.Option(
            "--validate-advertisements",
            help="Ask every tracker for each advertisement, and whether it leads to a gateway.",
        ),
    ] = False
    test_payment_endpoints: Annotated[
        bool,
        typer.Option("--test-payment-endpoints", help="Ask the gateway for a price as a stranger. Nothing is paid."),
    ] = False


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "verify",
        epilog="Example: overlay identity verify --check-reputation --validate-advertisements --test-payment-endpoints",
    )(spread(verify))


def verify(context: typer.Context, *, looks: Looks, json: options.Json = False) -> None:
    """Look at the producer from outside: its live root and records on every host, held against what is recorded here.

    Exit 1 where something is wrong, with what to do about it.
    """
    invocation = Invocation.of(context)
    invocation.finish(_verify(invocation, looks, as_json=json))


async def _verify(invocation: Invocation, looks: Looks, *, as_json: bool) -> int:
    network = implied_network(invocation)
    identity = await _identity(invocation, network)
    async with open_site(invocation, network, identity=identity, otherwise=Otherwise.READ) as site:
        checks, seen = await _looked(site, identity, looks)
    if as_json:
        invocation.console.document({"identityKey": identity, **verified_json(checks, seen)})
    else:
        invocation.console.result(f"{identity} on {network}\n{verified_text(checks, seen)}")
    return errors.DONE if all(check.ok for check in checks) else errors.ERROR


async def _looked(site: Site, identity: IdentityKey, looks: Looks) -> tuple[list[Check], Reputation | None]:
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
    return checks, await reputation(site.world(), live, now=now) if looks.check_reputation else None


async def _identity(invocation: Invocation, network: Network) -> IdentityKey:
    """Whose: the identity key's, or the producer's whose gateway this machine is. Raises StateError."""
    try:
        return (await implied_keys(invocation, network, create=False)).identity
    except StateError:
        gateway = gateway_of(invocation, network)
        if gateway is None:
            raise
        return gateway.producer
