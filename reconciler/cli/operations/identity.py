"""`overlay identity`: the producer's key."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from reconciler.apply.receiving import funding_address
from reconciler.cli import errors
from reconciler.cli.arguments import manifest_paths
from reconciler.cli.databases import Otherwise
from reconciler.cli.gateways import gateway_beside, gateway_keys
from reconciler.cli.home import GATEWAY_FILE, KEY_FILE
from reconciler.cli.implied import implied_keys, implied_network
from reconciler.cli.invocation import Invocation
from reconciler.cli.wiring import new_keys, open_site
from reconciler.control.desired import manifest_identity
from reconciler.model.errors import StateError, UsageError
from reconciler.model.ids import IdentityKey
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


async def new(invocation: Invocation, file: str, *, as_json: bool) -> int:
    """Make a key."""
    console, keys = invocation.console, new_keys()
    path = _keep(invocation, file, keys)
    if as_json:
        console.document(
            {"identityKey": keys.identity, "file": str(path), "encrypted": invocation.passphrase is not None}
        )
        return errors.DONE
    if invocation.passphrase is None:
        console.note(_PLAIN)
    console.note(f"Kept in {path}. There is no other copy: back it up.")
    console.result(keys.identity)
    return errors.DONE


async def rotate(invocation: Invocation, file: str | None, lasts: str, *, as_json: bool) -> int:
    """Make the key that takes over, and keep the gateway's."""
    keys, current = new_keys(), _current_key(invocation)
    gateway = await _gateway_to_keep(invocation, keys.identity)
    name = file or f"identity-{keys.identity[:_DIGITS]}.key"
    path = _keep(invocation, name, keys)
    if gateway is not None:
        _keep_gateway(invocation, gateway)
    text = _ROTATION.format(current=current, file=name, transition=lasts)
    if invocation.passphrase is None:
        invocation.console.note(_PLAIN)
    invocation.console.note(f"Kept in {path}. There is no other copy: back it up, and keep the old one for {lasts}.")
    if as_json:
        facts = {"identityKey": keys.identity, "file": str(path), "encrypted": invocation.passphrase is not None}
        invocation.console.document({**facts, "transition": lasts, "manifest": text})
    else:
        invocation.console.note("Write this into the Producer's spec, then plan and apply:")
        invocation.console.result(text)
        invocation.console.note(f"When that is applied: identity: {{key: {{file: {name}}}}}, without rotation.")
    return errors.DONE


async def _gateway_to_keep(invocation: Invocation, successor: IdentityKey) -> Gateway | None:
    """The gateway, as the new identity's, where its key is the old one's child and in no file yet: the root goes on naming it.

    Raises StateError where there is no old key, or a gateway.key that cannot be used.
    """
    network = await implied_network(invocation)
    keys = await implied_keys(invocation, network, create=False)
    async with open_site(invocation, network, identity=keys.identity, otherwise=Otherwise.READ) as site:
        root = await site.database.read(lambda connection: Published(connection).root())
    child, kept = keys.child(GATEWAY_KEY), gateway_beside(invocation, network)
    if root is None or root.gateway_key != child.identity or (kept and kept.keys.identity == child.identity):
        return None
    return Gateway(producer=successor, network=network, world=_world(root), keys=child)


def _keep_gateway(invocation: Invocation, gateway: Gateway) -> None:
    """Beside the new key, or say what is to be done for that: without, nothing would be sold after the rotation."""
    path, console = invocation.home.key(GATEWAY_FILE), invocation.console
    trouble = ""
    if invocation.passphrase is None and not gateway.network.is_toy:
        trouble = f"A plain key file is no use on {gateway.network}: set OVERLAY_PASSPHRASE"
    elif not write_gateway(path, gateway, passphrase=invocation.passphrase, randomness=secrets.token_bytes):
        trouble = f"{path} holds another gateway's key: move it away"
    if trouble:
        console.note(
            f"{trouble}, and before you apply: `overlay identity gateway --export {path}`, or nothing is sold then."
        )
    else:
        console.note(
            f"Kept the gateway's key in {path}: it stays the same, and `overlay serve` goes on selling with it."
        )


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


async def show(invocation: Invocation, *, as_json: bool) -> int:
    """Public halves only."""
    network = await implied_network(invocation)
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


async def gateway(invocation: Invocation, export: Path | None, *, as_json: bool) -> int:
    """The gateway's public half, and its key as a file."""
    network = await implied_network(invocation)
    keys = await implied_keys(invocation, network, create=False)
    async with open_site(invocation, network, identity=keys.identity) as site:
        root = await site.database.read(lambda connection: Published(connection).root())
        own = await gateway_keys(invocation, site, keys.identity, keys)
    named = own.identity if root is None else root.gateway_key
    facts: dict[str, Json] = {"producer": keys.identity, "gatewayKey": named, "network": network.value}
    if export is not None:
        if named != own.identity:
            raise StateError(f"the live root names another gateway key, {named}", hint="whoever made that one has it")
        path = invocation.directory / export
        _export(invocation, path, Gateway(producer=keys.identity, network=network, world=_world(root), keys=own))
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
