"""`overlay status`, `show` and `history`: what is live, and how it came to be."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import errors, options
from reconciler.cli.invocation import Invocation
from reconciler.cli.networks import implied_network
from reconciler.cli.views.status import (
    history_json,
    history_text,
    shown_json,
    shown_text,
    status_json,
    status_text,
)
from reconciler.cli.wiring import clock, keys_of, open_site
from reconciler.control.history import history as read_history
from reconciler.control.settling import settle_wallet
from reconciler.control.status import read_status
from reconciler.model.errors import UsageError
from reconciler.model.ids import Address, ObjectType, RecordId
from reconciler.model.json import Json
from reconciler.observe.snapshot import Recorded, recorded


def register(app: typer.Typer) -> None:
    """Add the three commands."""
    app.command("status", epilog="Example: overlay status")(status)
    app.command("show", epilog="Example: overlay show dataset/countries")(show)
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
    json: options.Json = False,
) -> None:
    """Show one live object with all that is known of it."""
    invocation = Invocation.of(context)
    invocation.finish(_show(invocation, _address(address), as_json=json))


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
    keys = keys_of(invocation, network, create=False)
    async with open_site(invocation, network) as site:
        world = site.world()
        await settle_wallet(site.database, world, clock=clock)
        found = await read_status(database=site.database, world=world, identity=keys.identity, now=int(clock()))
    if as_json:
        invocation.console.document(status_json(found))
    else:
        invocation.console.result(status_text(found))
    return errors.DONE


async def _show(invocation: Invocation, address: Address, *, as_json: bool) -> int:
    async with open_site(invocation, implied_network(invocation)) as site:
        found = await recorded(site.database)
    shown = _find(found, address)
    if as_json:
        invocation.console.document(shown)
    else:
        invocation.console.result(shown_text(shown))
    return errors.DONE


async def _history(invocation: Invocation, address: Address | None, *, as_json: bool) -> int:
    network = implied_network(invocation)
    keys = keys_of(invocation, network, create=False)
    record = None
    if address is not None:
        if address.type is not ObjectType.RECORD:
            raise UsageError("only records have a history", hint="give an address such as dataset/NAME")
        record = RecordId.parse(address.path)
    async with open_site(invocation, network) as site:
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
    try:
        return Address.parse(text)
    except ValueError as error:
        raise UsageError(str(error), hint="such as dataset/NAME or replica/NAME@HOST") from error


def _find(found: Recorded, address: Address) -> dict[str, Json]:
    shown = shown_json(found, address)
    if shown is None:
        raise UsageError(f"nothing live is called {address}", hint="`overlay state list` lists what is")
    return shown
