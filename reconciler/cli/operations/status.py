"""`overlay status`, `show` and `history`: what is live, and how it came to be."""

from __future__ import annotations

from pathlib import Path

from reconciler.cli import errors, options
from reconciler.cli.databases import Otherwise
from reconciler.cli.implied import implied_keys, implied_network, open_recorded
from reconciler.cli.invocation import Invocation
from reconciler.cli.manifests import load_manifests
from reconciler.cli.views.resolved import resolved_json
from reconciler.cli.views.status import (
    history_json,
    history_text,
    shown_json,
    shown_text,
    status_json,
    status_text,
)
from reconciler.cli.wiring import clock, open_site
from reconciler.control.history import history as read_history
from reconciler.control.settling import settle_wallet
from reconciler.control.status import read_status
from reconciler.model.errors import UsageError
from reconciler.model.ids import Address, ObjectType, RecordId
from reconciler.model.json import Json
from reconciler.observe.recorded import Recorded, recorded


async def status(invocation: Invocation, *, as_json: bool) -> int:
    """As hosts and chain say."""
    network = await implied_network(invocation)
    keys = await implied_keys(invocation, network, create=False)
    async with open_site(invocation, network, identity=keys.identity) as site:
        world = site.world()
        await settle_wallet(site.database, world, clock=clock)
        found = await read_status(database=site.database, world=world, identity=keys.identity, now=int(clock()))
    if as_json:
        invocation.console.document(status_json(found))
    else:
        invocation.console.result(status_text(found))
    return errors.DONE


async def show(invocation: Invocation, address: Address, *, as_json: bool) -> int:
    """One object as it is live."""
    async with open_recorded(invocation) as site:
        found = await recorded(site.database)
    return _shown(invocation, _find(found, address), as_json=as_json)


async def show_resolved(
    invocation: Invocation, paths: tuple[Path, ...], given: options.Given, address: Address, *, as_json: bool
) -> int:
    """One object as the manifests want it."""
    loaded = await load_manifests(invocation, paths, given)
    found = resolved_json(loaded.state, address)
    if found is None:
        raise UsageError(f"the manifests have nothing that is called {address}", hint="`overlay plan` shows addresses")
    return _shown(invocation, found, as_json=as_json)


def _shown(invocation: Invocation, found: dict[str, Json], *, as_json: bool) -> int:
    if as_json:
        invocation.console.document(found)
    else:
        invocation.console.result(shown_text(found))
    return errors.DONE


async def history(invocation: Invocation, address: Address | None, *, limit: int, as_json: bool) -> int:
    """Of one record, or of the producer."""
    network = await implied_network(invocation)
    keys = await implied_keys(invocation, network, create=False)
    record = None
    if address is not None:
        if address.type is not ObjectType.RECORD:
            raise UsageError("only records have a history", hint="give an address such as dataset/NAME")
        record = RecordId.parse(address.path)
    async with open_site(invocation, network, identity=keys.identity, otherwise=Otherwise.READ) as site:
        world = site.world()
        past = await read_history(
            keys.identity, record, hosts=world.outside, verifier=world.headers, now=int(clock()), limit=limit
        )
    if as_json:
        invocation.console.document(history_json(past.versions))
    else:
        invocation.console.result(history_text(past))
    return errors.DONE


def _find(found: Recorded, address: Address) -> dict[str, Json]:
    shown = shown_json(found, address)
    if shown is None:
        raise UsageError(f"nothing live is called {address}", hint="`overlay state list` lists what is")
    return shown
