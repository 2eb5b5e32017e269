"""`overlay db`: the database's shape."""

from __future__ import annotations

import typer

from reconciler.cli import errors, options
from reconciler.cli.databases import Otherwise, open_database
from reconciler.cli.implied import implied_identity, implied_network
from reconciler.cli.invocation import Invocation
from reconciler.store.schema import Upgraded, check, newest, upgrade

app = typer.Typer(help="The database's shape.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the command group."""
    root.add_typer(app, name="db")


@app.command("upgrade", epilog="Example: overlay db upgrade --network embedded")
def upgrade_database(context: typer.Context, *, json: options.Json = False) -> None:
    """Bring the database up to what this version works with, in one transaction. Two at once do no harm."""
    invocation = Invocation.of(context)
    invocation.finish(_upgrade(invocation, as_json=json))


@app.command("check", epilog="Example: overlay db check --network embedded")
def check_database(context: typer.Context, *, json: options.Json = False) -> None:
    """Say whether the database has the shape that this version works with; exit 1, and what to do, where it has not."""
    invocation = Invocation.of(context)
    invocation.finish(_check(invocation, as_json=json))


async def _upgrade(invocation: Invocation, *, as_json: bool) -> int:
    network = implied_network(invocation)
    async with open_database(
        invocation, network, await implied_identity(invocation, network), Otherwise.READ
    ) as opened:
        upgraded = await upgrade(opened.database)
    if as_json:
        found = {"before": upgraded.before, "revision": upgraded.now, "applied": list(upgraded.applied)}
        invocation.console.document(found)
    else:
        invocation.console.result("\n".join(_lines(upgraded)))
    return errors.DONE


def _lines(upgraded: Upgraded) -> list[str]:
    if not upgraded.applied:
        return [f"Nothing to do. The database is at revision {upgraded.now}."]
    before = "nothing" if upgraded.before is None else f"revision {upgraded.before}"
    steps = (f"  {revision[:4]}  {revision[5:].replace('_', ' ')}" for revision in upgraded.applied)
    return [*steps, f"Upgraded the database from {before} to revision {upgraded.now}."]


async def _check(invocation: Invocation, *, as_json: bool) -> int:
    network = implied_network(invocation)
    async with open_database(
        invocation, network, await implied_identity(invocation, network), Otherwise.READ
    ) as opened:
        await check(opened.database)
    if as_json:
        invocation.console.document({"revision": newest()})
    else:
        invocation.console.result(f"The database is at revision {newest()}, as it should be.")
    return errors.DONE
