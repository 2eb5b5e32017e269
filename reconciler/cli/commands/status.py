"""`overlay status`, `show` and `history`: what is live, and how it came to be."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import operations, options
from reconciler.cli.arguments import manifest_paths
from reconciler.cli.home import GATEWAY_FILE
from reconciler.cli.invocation import Invocation
from reconciler.cli.spread import spread
from reconciler.model.errors import UsageError
from reconciler.model.ids import Address, ObjectType, SettingKind


def register(app: typer.Typer) -> None:
    """Add the three commands."""
    app.command("status", epilog="Example: overlay status")(status)
    app.command("show", epilog="Example: overlay show dataset/countries")(spread(show))
    app.command("history", epilog="Example: overlay history dataset/countries")(history)


def status(context: typer.Context, *, json: options.Json = False) -> None:
    """Show what is live, where, and what is still on its way."""
    invocation = Invocation.of(context)
    invocation.finish(operations.status.status(invocation, as_json=json))


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
        invocation.finish(operations.status.show_resolved(invocation, named, given, wanted, as_json=json))
    elif given != options.Given():
        raise UsageError("variables change manifests, not what is live", hint="add --resolved, where the manifests are")
    invocation.finish(operations.status.show(invocation, wanted, as_json=json))


def history(
    context: typer.Context,
    address: Annotated[
        str | None, typer.Argument(metavar="ADDR", help="A record; without it, the producer's generations.")
    ] = None,
    *,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many versions to show.")] = 50,
    json: options.Json = False,
) -> None:
    """Walk the chain of versions back, newest first. As hosts that are not ours show it (BRC-64)."""
    invocation = Invocation.of(context)
    invocation.finish(
        operations.status.history(invocation, None if address is None else _address(address), limit=limit, as_json=json)
    )


def _serves(invocation: Invocation) -> bool:
    """Whether this is a gateway's machine: what holds there is what its root says, whatever manifests lie about.

    Defaults and references were put in before it was published.
    """
    return invocation.home.key(GATEWAY_FILE).exists()


def _address(text: str) -> Address:
    """An object's address; a bare `kind/name` is that of a record or setting. Raises UsageError."""
    try:
        kind = text.partition("/")[0]
        return Address.parse(f"{ObjectType.SETTING}/{text}" if kind in set(SettingKind) else text)
    except ValueError as error:
        raise UsageError(str(error), hint="such as dataset/NAME or replica/NAME@HOST") from error
