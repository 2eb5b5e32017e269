"""`overlay serve`: the producer's host and catalog, at the newest generation that anybody applied."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from reconciler.cli import operations, options
from reconciler.cli.invocation import Invocation

_RATE: Final = 200
"""Requests a second of one client; ten times as many at once."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve", epilog="Example: overlay serve --port 3000")(serve)


def serve(
    context: typer.Context,
    *,
    host: Annotated[str, typer.Option("--host", metavar="H", help="Name or address to listen on.")] = "localhost",
    port: options.Port = 3000,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=1, max=64, help="Processes that share the port.")
    ] = 1,
    worker: Annotated[str, typer.Option("--worker", hidden=True)] = "",
    audit_log: Annotated[
        str | None,
        typer.Option(
            "--audit-log", metavar="FILE", help="Add a line of JSON for each quote, sale and refusal; - is stderr."
        ),
    ] = None,
    rate_limit: Annotated[
        int,
        typer.Option(
            "--rate-limit",
            metavar="N",
            min=0,
            help="Requests a second of one client, for each worker; 0 is any number.",
        ),
    ] = _RATE,
    json: options.Json = False,
) -> None:
    """Serve the catalog and the producer's own host. Ends with Ctrl-C or SIGTERM.

    With the identity key, or a gateway.key (see `overlay identity gateway`) in OVERLAY_HOME, it follows the producer's root:
    what is applied on another machine shows by itself. Its host catches up with other hosts, and tells them what is new.
    Of all processes that serve one database, on whatever machine, one does what goes on in the background. When told to stop,
    requests in flight are finished first; told again, it stops at once.
    """
    invocation = Invocation.of(context)
    serving = operations.serve.serve(
        invocation,
        host,
        port,
        workers=workers,
        worker=worker,
        audit_log=audit_log,
        rate_limit=rate_limit,
        as_json=json,
    )
    invocation.finish(serving)
