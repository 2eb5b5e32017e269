"""`overlay db`: the database's shape."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Final

import typer

from reconciler.cli import errors, options
from reconciler.cli.databases import Otherwise, open_database
from reconciler.cli.implied import implied_identity, implied_network
from reconciler.cli.invocation import Invocation
from reconciler.consumer.opening import DATABASE_FILE
from reconciler.model.json import JsonObject
from reconciler.store.database import Database
from reconciler.store.schema import Upgraded, check, newest, upgrade

_PRODUCERS: Final = "database"
_BUYERS: Final = "consumer's database"

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
    upgraded = [(whose, await upgrade(database)) async for whose, database in _databases(invocation)]
    if as_json:
        invocation.console.document(_document({whose: _json(found) for whose, found in upgraded}))
    else:
        invocation.console.result("\n".join(line for whose, found in upgraded for line in _lines(whose, found)))
    return errors.DONE


async def _databases(invocation: Invocation) -> AsyncIterator[tuple[str, Database]]:
    """What there is on the network: the producer's, and a buyer's; the producer's also where there is neither."""
    network = implied_network(invocation)
    buyers = invocation.home.network(network) / DATABASE_FILE
    is_buyers_alone = buyers.exists() and not invocation.home.states(network)
    if not is_buyers_alone or invocation.environment.get("DATABASE_URL"):
        identity = await implied_identity(invocation, network)
        async with open_database(invocation, network, identity, Otherwise.READ) as opened:
            yield _PRODUCERS, opened.database
    if buyers.exists():
        database = Database.open(f"sqlite+aiosqlite:///{buyers}")
        try:
            yield _BUYERS, database
        finally:
            await database.close()


def _document(found: Mapping[str, JsonObject]) -> JsonObject:
    """The producer's as it always was, and the buyer's beside it."""
    buyers = {"consumer": found[_BUYERS]} if _BUYERS in found else {}
    return {**found.get(_PRODUCERS, {}), **buyers}


def _json(upgraded: Upgraded) -> JsonObject:
    return {"before": upgraded.before, "revision": upgraded.now, "applied": list(upgraded.applied)}


def _lines(whose: str, upgraded: Upgraded) -> list[str]:
    if not upgraded.applied:
        return [f"Nothing to do. The {whose} is at revision {upgraded.now}."]
    before = "nothing" if upgraded.before is None else f"revision {upgraded.before}"
    steps = (f"  {revision[:4]}  {revision[5:].replace('_', ' ')}" for revision in upgraded.applied)
    return [*steps, f"Upgraded the {whose} from {before} to revision {upgraded.now}."]


async def _check(invocation: Invocation, *, as_json: bool) -> int:
    found = []
    async for whose, database in _databases(invocation):
        await check(database)
        found.append(whose)
    if as_json:
        invocation.console.document(_document({whose: {"revision": newest()} for whose in found}))
    else:
        lines = [f"The {whose} is at revision {newest()}, as it should be." for whose in found]
        invocation.console.result("\n".join(lines))
    return errors.DONE
