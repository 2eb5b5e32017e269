"""`overlay identity`: the producer's key."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from reconciler.apply.receiving import funding_address
from reconciler.cli import errors, options
from reconciler.cli.arguments import manifest_paths
from reconciler.cli.commands import verify
from reconciler.cli.implied import implied_keys, implied_network
from reconciler.cli.invocation import Invocation
from reconciler.cli.wiring import KEY_FILE, new_keys, open_site
from reconciler.control.desired import manifest_identity
from reconciler.model.durations import duration, milliseconds
from reconciler.model.errors import StateError, UsageError
from reconciler.model.json import Json, JsonObject
from reconciler.model.keys import GATEWAY_KEY
from reconciler.model.observed import ObservedRoot
from reconciler.store.published import Published
from reconciler.wallet.gatewayfile import Gateway, write_gateway
from reconciler.wallet.keyfile import write_key
from reconciler.wallet.keys import Keys

_DIGITS: Final = 8
"""Of the new key, that tell its file from others."""
_PLAIN: Final = "The key file is not encrypted: it serves embedded and local only (OVERLAY_PASSPHRASE encrypts)."
_ROTATION: Final = """\
identity:
  key: {current}
  rotation: {{to: {{file: {file}}}, transition: {transition}}}"""

app = typer.Typer(help="The producer's identity key.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the command group."""
    verify.register(app)
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
    console, keys = invocation.console, new_keys()
    path = _keep(invocation, file, keys)
    if json:
        console.document(
            {"identityKey": keys.identity, "file": str(path), "encrypted": invocation.passphrase is not None}
        )
        return
    if invocation.passphrase is None:
        console.note(_PLAIN)
    console.note(f"Kept in {path}. There is no other copy: back it up.")
    console.result(keys.identity)


@app.command("rotate", epilog="Example: overlay identity rotate --transition 30d")
def rotate(
    context: typer.Context,
    *,
    file: Annotated[
        str | None, typer.Option("--file", help="Where to keep the new key; identity-<its digits>.key by default.")
    ] = None,
    transition: Annotated[
        str, typer.Option("--transition", metavar="D", help="How long what the old key signed stays valid.")
    ] = "30d",
    json: options.Json = False,
) -> None:
    """Make a key that is to take over from the one there is, and say what to write into the Producer. Publishes nothing.

    The next apply hands over: every record, advertisement and coin, in one step.
    """
    invocation = Invocation.of(context)
    lasts, current = _transition(transition), _current_key(invocation)
    keys = new_keys()
    name = file or f"identity-{keys.identity[:_DIGITS]}.key"
    path = _keep(invocation, name, keys)
    text = _ROTATION.format(current=current, file=name, transition=lasts)
    if invocation.passphrase is None:
        invocation.console.note(_PLAIN)
    invocation.console.note(f"Kept in {path}. There is no other copy: back it up, and keep the old one for {lasts}.")
    if json:
        facts = {"identityKey": keys.identity, "file": str(path), "encrypted": invocation.passphrase is not None}
        invocation.console.document({**facts, "transition": lasts, "manifest": text})
    else:
        invocation.console.note("Write this into the Producer's spec, then plan and apply:")
        invocation.console.result(text)
        invocation.console.note(f"When that is applied: identity: {{key: {{file: {name}}}}}, without rotation.")


def _transition(text: str) -> str:
    try:
        return duration(milliseconds(text))
    except ValueError as error:
        raise UsageError(str(error)) from error


def _current_key(invocation: Invocation) -> str:
    """Where the manifests here say that the key is, as they would write it."""
    try:
        key = manifest_identity(manifest_paths((), invocation.directory)).key
    except UsageError:  # no manifest here: it is where it is by default
        return f"{{file: {KEY_FILE}}}"
    return f"{{env: {key.env}}}" if key.env else f"{{file: {key.file or KEY_FILE}}}"


def _keep(invocation: Invocation, file: str, keys: Keys) -> Path:
    """Write a new key file. Raises StateError where there is one."""
    invocation.home.create()
    path = invocation.home.key(file)
    if not write_key(path, keys, passphrase=invocation.passphrase, randomness=secrets.token_bytes):
        raise StateError("there is an identity key already", where=str(path), hint="move it away first")
    return path


@app.command("show", epilog="Example: overlay identity show --json")
def show(context: typer.Context, *, json: options.Json = False) -> None:
    """Show the public half of the identity key, its gateway's and its address. Never the secret."""
    invocation = Invocation.of(context)
    invocation.finish(_show(invocation, as_json=json))


async def _show(invocation: Invocation, *, as_json: bool) -> int:
    network = implied_network(invocation)
    keys = await implied_keys(invocation, network, create=False)
    facts = {
        "identityKey": keys.identity,
        "gatewayKey": keys.public(GATEWAY_KEY),
        "address": funding_address(keys, network),
        "network": network.value,
    }
    if as_json:
        invocation.console.document(facts)
    else:
        invocation.console.result("\n".join(f"{name:12} {value}" for name, value in facts.items()))
    return errors.DONE


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
    invocation.finish(_gateway(invocation, export, as_json=json))


async def _gateway(invocation: Invocation, export: Path | None, *, as_json: bool) -> int:
    network = implied_network(invocation)
    keys = await implied_keys(invocation, network, create=False)
    async with open_site(invocation, network, identity=keys.identity) as site, site.database.begin() as connection:
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
