"""`overlay db`: the database's shape."""

from __future__ import annotations

import typer

from reconciler.cli import errors
from reconciler.cli.implied import implied_network
from reconciler.cli.invocation import Invocation
from reconciler.cli.wiring import database_of
from reconciler.store.schema import check, newest, upgrade

app = typer.Typer(help="The database's shape.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the command group."""
    root.add_typer(app, name="db")


@app.command("upgrade", epilog="Example: overlay db upgrade --network embedded")
def upgrade_database(context: typer.Context) -> None:
    """Bring the database up to what this version works with, in one transaction."""
    invocation = Invocation.of(context)
    invocation.finish(_upgrade(invocation))


@app.command("check", epilog="Example: overlay db check --network embedded")
def check_database(context: typer.Context) -> None:
    """Say whether the database has the shape that this version works with; exit 1 where it has not."""
    invocation = Invocation.of(context)
    invocation.finish(_check(invocation))


async def _upgrade(invocation: Invocation) -> int:
    async with database_of(invocation, implied_network(invocation)) as database:
        upgraded = await upgrade(database)
    invocation.console.result(f"The database is {'now ' if upgraded else ''}at revision {newest()}.")
    return errors.DONE


async def _check(invocation: Invocation) -> int:
    async with database_of(invocation, implied_network(invocation)) as database:
        await check(database)
    invocation.console.result(f"The database is at revision {newest()}, as it should be.")
    return errors.DONE
