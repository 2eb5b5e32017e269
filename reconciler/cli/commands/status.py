"""`overlay status`, `show` and `history`: what is live, and how it came to be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import errors, options
from reconciler.cli.arguments import manifest_paths
from reconciler.cli.databases import Otherwise
from reconciler.cli.implied import implied_keys, implied_network, open_recorded
from reconciler.cli.invocation import Invocation
from reconciler.cli.spread import spread
from reconciler.cli.views.resolved import resolved_json
from reconciler.cli.views.status import (
    history_json,
    history_text,
    shown_json,
    shown_text,
    status_json,
    status_text,
)
from reconciler.cli.wiring import GATEWAY_FILE, clock, load_manifests, open_site
from reconciler.control.history import history as read_history
from reconciler.control.settling import settle_wallet
from reconciler.control.status import read_status
from reconciler.model.errors import UsageError
from reconciler.model.ids import Address, ObjectType, RecordId, SettingKind
from reconciler.model.json import Json
from reconciler.observe.snapshot import Recorded, recorded


def register(app: typer.Typer) -> None:
    """Add the three commands."""
    app.command("status", epilog="Example: overlay status")(status)
    app.command("show", epilog="Example: overlay show dataset/countries")(spread(show))
    app.command("history", epilog="Example: overlay history dataset/countries")(history)


def status(context: typer.Context, *, json: options.Json = False) -> None:
    """Show what is live, where, and what is still on its way."""
    invocation = Invocation.of(context)
    invocation.finish(_status(invocation, as_json=json))


def show(
    context: typer.Context,
    address: Annotated[
        str, typer.Argument(metavar="ADDR", help="Such as dataset/countries or replica/countries@storage-us.")
    ],
    *,
    resolved: Annotated[
        bool,
        typer.Option(
            "--resolved", help="As the manifests want it, or a gateway enforces it: defaults and references put in."
        ),
    ] = False,
    given: options.Given,
    json: options.Json = False,
) -> None:
    """Show one live object with all that is known of it."""
    invocation = Invocation.of(context)
    wanted = _address(address)
    if resolved and not _serves(invocation):
        named = manifest_paths((), invocation.directory)
        invocation.finish(_show_resolved(invocation, named, given, wanted, as_json=json))
    elif given != options.Given():
        raise UsageError("variables change manifests, not what is live", hint="add --resolved, where the manifests are")
    invocation.finish(_show(invocation, wanted, as_json=json))


def history(
    context: typer.Context,
    address: Annotated[
        str | None, typer.Argument(metavar="[ADDR]", help="A record; without it, the producer's generations.")
    ] = None,
    *,
    json: options.Json = False,
) -> None:
    """Walk the chain of versions back, newest first, as hosts that are not ours show it (BRC-64)."""
    invocation = Invocation.of(context)
    invocation.finish(_history(invocation, None if address is None else _address(address), as_json=json))


async def _status(invocation: Invocation, *, as_json: bool) -> int:
    network = implied_network(invocation)
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


async def _show(invocation: Invocation, address: Address, *, as_json: bool) -> int:
    async with open_recorded(invocation) as site:
        found = await recorded(site.database)
    return _shown(invocation, _find(found, address), as_json=as_json)


def _serves(invocation: Invocation) -> bool:
    """Whether this is a gateway's machine: what holds there is what its root says, whatever manifests lie about.

    Defaults and references were put in before it was published.
    """
    return invocation.home.key(GATEWAY_FILE).exists()


async def _show_resolved(
    invocation: Invocation, paths: tuple[Path, ...], given: options.Given, address: Address, *, as_json: bool
) -> int:
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


async def _history(invocation: Invocation, address: Address | None, *, as_json: bool) -> int:
    network = implied_network(invocation)
    keys = await implied_keys(invocation, network, create=False)
    record = None
    if address is not None:
        if address.type is not ObjectType.RECORD:
            raise UsageError("only records have a history", hint="give an address such as dataset/NAME")
        record = RecordId.parse(address.path)
    async with open_site(invocation, network, identity=keys.identity, otherwise=Otherwise.READ) as site:
        world = site.world()
        versions = await read_history(
            keys.identity, record, hosts=world.outside, verifier=world.headers, now=int(clock())
        )
    if as_json:
        invocation.console.document(history_json(versions))
    else:
        invocation.console.result(history_text(versions))
    return errors.DONE


def _address(text: str) -> Address:
    """An object's address; a bare `kind/name` is that of a record or setting. Raises UsageError."""
    try:
        kind = text.partition("/")[0]
        return Address.parse(f"{ObjectType.SETTING}/{text}" if kind in set(SettingKind) else text)
    except ValueError as error:
        raise UsageError(str(error), hint="such as dataset/NAME or replica/NAME@HOST") from error


def _find(found: Recorded, address: Address) -> dict[str, Json]:
    shown = shown_json(found, address)
    if shown is None:
        raise UsageError(f"nothing live is called {address}", hint="`overlay state list` lists what is")
    return shown
