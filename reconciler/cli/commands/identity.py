"""`overlay identity`: the producer's key."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import errors, options
from reconciler.cli.implied import implied_keys, implied_network
from reconciler.cli.invocation import Invocation
from reconciler.cli.wiring import KEY_FILE, new_keys, open_site
from reconciler.control.funding import funding_address
from reconciler.model.errors import StateError
from reconciler.model.ids import Network
from reconciler.model.json import Json, JsonObject
from reconciler.model.keys import GATEWAY_KEY
from reconciler.model.observed import ObservedRoot
from reconciler.store.published import Published
from reconciler.wallet.gatewayfile import Gateway, write_gateway
from reconciler.wallet.keyfile import write_key
from reconciler.wallet.keys import Keys

app = typer.Typer(help="The producer's identity key.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the command group."""
    root.add_typer(app, name="identity")


@app.command("new", epilog="Example: overlay identity new")
def new(
    context: typer.Context,
    *,
    file: Annotated[str, typer.Option("--file", help="Where to keep it, relative to OVERLAY_HOME.")] = KEY_FILE,
    json: options.Json = False,
) -> None:
    """Make a new identity key. Never overwrites one.

    Encrypted with OVERLAY_PASSPHRASE if that is set; without it the key file is for embedded and local networks only.
    """
    invocation = Invocation.of(context)
    home, console = invocation.home, invocation.console
    home.create()
    path = home.key(file)
    keys = new_keys()
    if not write_key(path, keys, passphrase=invocation.passphrase, randomness=secrets.token_bytes):
        raise StateError("there is an identity key already", where=str(path), hint="move it away first")
    if json:
        console.document(
            {"identityKey": keys.identity, "file": str(path), "encrypted": invocation.passphrase is not None}
        )
        return
    if invocation.passphrase is None:
        console.note("The key file is not encrypted: it serves embedded and local only (OVERLAY_PASSPHRASE encrypts).")
    console.note(f"Kept in {path}. There is no other copy: back it up.")
    console.result(keys.identity)


@app.command("show", epilog="Example: overlay identity show --json")
def show(context: typer.Context, *, json: options.Json = False) -> None:
    """Show the public half of the identity key, its gateway's and its address. Never the secret."""
    invocation = Invocation.of(context)
    network = implied_network(invocation)
    keys = implied_keys(invocation, network, create=False)
    facts = {
        "identityKey": keys.identity,
        "gatewayKey": keys.public(GATEWAY_KEY),
        "address": funding_address(keys, network),
        "network": network.value,
    }
    if json:
        invocation.console.document(facts)
    else:
        invocation.console.result("\n".join(f"{name:12} {value}" for name, value in facts.items()))


@app.command("gateway", epilog="Example: overlay identity gateway --export gateway.key")
def gateway(
    context: typer.Context,
    *,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Write the key for the machine that serves.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Show the public half of the gateway's key; --export gives the key to a machine that serves and must not apply.

    Put the file there as OVERLAY_HOME/gateway.key. It opens what is sealed; it cannot spend or publish anything. Encrypted
    with OVERLAY_PASSPHRASE if that is set; without it the file is for embedded and local networks only.
    """
    invocation = Invocation.of(context)
    network = implied_network(invocation)
    keys = implied_keys(invocation, network, create=False)
    invocation.finish(_gateway(invocation, network, keys, export, as_json=json))


async def _gateway(invocation: Invocation, network: Network, keys: Keys, export: Path | None, *, as_json: bool) -> int:
    async with open_site(invocation, network) as site, site.database.begin() as connection:
        root = await Published(connection).root()
    child = keys.child(GATEWAY_KEY)
    named = child.identity if root is None else root.gateway_key
    facts: dict[str, Json] = {"producer": keys.identity, "gatewayKey": named, "network": network.value}
    if export is not None:
        if named != child.identity:
            raise StateError(f"the live root names another gateway key, {named}", hint="whoever made that one has it")
        path = invocation.directory / export
        _export(invocation, path, Gateway(producer=keys.identity, network=network, world=_world(root), keys=child))
        facts["file"] = str(path)
    if as_json:
        invocation.console.document(facts)
    else:
        invocation.console.result("\n".join(f"{name:12} {value}" for name, value in facts.items()))
    return errors.DONE


def _export(invocation: Invocation, path: Path, gateway: Gateway) -> None:
    if invocation.passphrase is None and not gateway.network.is_toy:
        raise StateError(f"a plain key file is no use on {gateway.network}", hint="set OVERLAY_PASSPHRASE")
    if not write_gateway(path, gateway, passphrase=invocation.passphrase, randomness=secrets.token_bytes):
        raise StateError("there is a file already", where=str(path), hint="move it away first")
    invocation.console.note("On the machine that serves, this file is OVERLAY_HOME/gateway.key.")


def _world(root: ObservedRoot | None) -> JsonObject:
    """The Producer's `network`, where the live root has one: hosts of its own, which the other machine has to ask."""
    world = None if root is None else root.record.sealed.get("network")
    return world if isinstance(world, Mapping) else {}
