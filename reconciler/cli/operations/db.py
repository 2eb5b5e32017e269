"""`overlay db`: the database's shape."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final

from reconciler.cli import errors
from reconciler.cli.databases import Otherwise, open_database
from reconciler.cli.implied import implied_identity, implied_network
from reconciler.cli.invocation import Invocation
from reconciler.consumer.opening import DATABASE_FILE
from reconciler.model.json import JsonObject
from reconciler.store.database import Database
from reconciler.store.schema import Upgraded, check, newest, upgrade

_PRODUCERS: Final = "database"


_BUYERS: Final = "consumer's database"


async def upgrade_database(invocation: Invocation, *, as_json: bool) -> int:
    """Each database that there is."""
    async with aclosing(_databases(invocation)) as databases:
        upgraded = [(whose, await upgrade(database)) async for whose, database in databases]
    if as_json:
        invocation.console.document(_document({whose: _json(found) for whose, found in upgraded}))
    else:
        invocation.console.result("\n".join(line for whose, found in upgraded for line in _lines(whose, found)))
    return errors.DONE


async def _databases(invocation: Invocation) -> AsyncGenerator[tuple[str, Database]]:
    """What there is on the network: the producer's, and a buyer's; the producer's also where there is neither."""
    network = await implied_network(invocation)
    buyers = invocation.home.network(network) / DATABASE_FILE
    is_buyers_alone = buyers.exists() and not invocation.home.states(network)
    if not is_buyers_alone or invocation.environment.get("DATABASE_URL"):
        identity = await implied_identity(invocation, network)
        async with open_database(invocation, network, identity, Otherwise.READ) as opened:
            yield _PRODUCERS, opened.database
    if buyers.exists():
        database = Database.open(f"sqlite:///{buyers}")
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


async def check_database(invocation: Invocation, *, as_json: bool) -> int:
    """The same. Raises StateError."""
    found = []
    async with aclosing(_databases(invocation)) as databases:
        async for whose, database in databases:
            await check(database)
            found.append(whose)
    if as_json:
        invocation.console.document(_document({whose: {"revision": newest()} for whose in found}))
    else:
        lines = [f"The {whose} is at revision {newest()}, as it should be." for whose in found]
        invocation.console.result("\n".join(lines))
    return errors.DONE
