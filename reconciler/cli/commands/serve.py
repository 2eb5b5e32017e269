"""`overlay serve`: the producer's host and catalog."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from reconciler.cli import errors, options
from reconciler.cli.implied import implied_keys, implied_network
from reconciler.cli.interrupt import stoppable
from reconciler.cli.invocation import Invocation
from reconciler.cli.wiring import Site, clock, open_site
from reconciler.devnet.hosts import own_host
from reconciler.gateway.app import build_app
from reconciler.model.errors import StateError
from reconciler.model.ids import IdentityKey
from reconciler.store.published import Published
from reconciler.web.server import Door, serving

_PROOF_SECONDS: Final = 10.0
"""How often the host looks after the proofs of what it keeps."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve", epilog="Example: overlay serve --port 3000")(serve)


def serve(
    context: typer.Context,
    *,
    host: Annotated[str, typer.Option("--host", metavar="H", help="Name or address to listen on.")] = "localhost",
    port: options.Port = 3000,
    json: options.Json = False,
) -> None:
    """Serve the catalog and the producer's own host, until Ctrl-C or SIGTERM."""
    invocation = Invocation.of(context)
    invocation.finish(_serve(invocation, host, port, as_json=json))


async def _serve(invocation: Invocation, host: str, port: int, *, as_json: bool) -> int:
    network = implied_network(invocation)
    console = invocation.console
    async with open_site(invocation, network) as site:
        identity = await _identity(invocation, site)
        own = own_host(site.database, site.endpoints, http=site.http, clock=clock, refresh_every=_PROOF_SECONDS)
        app = build_app(database=site.database, identity=identity, host=own)
        with stoppable() as stop:
            async with serving([Door(app=app, host=host, port=port)]) as (url,):
                if as_json:
                    ready = {"event": "ready", "url": url, "network": network.value, "identityKey": identity}
                    console.document(ready)
                else:
                    console.result(f"Serving {identity} ({network}) at {url}\nCtrl-C stops it.")
                await stop.wait()
    return errors.DONE


async def _identity(invocation: Invocation, site: Site) -> IdentityKey:
    """Whose gateway this is: what the database holds says so, else the key. Raises StateError where there is neither."""
    async with site.database.reading() as connection:
        published = await Published(connection).identity()
    if published is not None:
        return published
    try:
        return implied_keys(invocation, site.network, create=False).identity
    except StateError as error:
        raise StateError("there is nothing to serve yet", hint="run `overlay apply` first") from error
