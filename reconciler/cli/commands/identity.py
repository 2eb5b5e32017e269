"""`overlay identity`: the producer's key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import operations, options
from reconciler.cli.commands import verify
from reconciler.cli.home import KEY_FILE
from reconciler.cli.invocation import Invocation
from reconciler.model.durations import duration, milliseconds
from reconciler.model.errors import UsageError

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
    invocation.finish(operations.identity.new(invocation, file, as_json=json))


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
    invocation.finish(operations.identity.rotate(invocation, file, _transition(transition), as_json=json))


def _transition(text: str) -> str:
    try:
        return duration(milliseconds(text))
    except ValueError as error:
        raise UsageError(str(error)) from error


@app.command("show", epilog="Example: overlay identity show --json")
def show(context: typer.Context, *, json: options.Json = False) -> None:
    """Show the public half of the identity key, its gateway's and its address. Never the secret."""
    invocation = Invocation.of(context)
    invocation.finish(operations.identity.show(invocation, as_json=json))


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
    invocation.finish(operations.identity.gateway(invocation, export, as_json=json))
