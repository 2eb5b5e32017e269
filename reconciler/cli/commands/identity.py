"""`overlay identity`: the producer's key."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.implied import implied_keys, implied_network
from reconciler.cli.invocation import Invocation
from reconciler.cli.wiring import KEY_FILE, new_keys
from reconciler.control.funding import funding_address
from reconciler.model.errors import StateError
from reconciler.model.keys import GATEWAY_KEY
from reconciler.wallet.keyfile import write_key

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
