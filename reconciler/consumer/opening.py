"""Opening a buyer: key, database and network, from a folder and little else. Whoever has parts of it brings them."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from reconciler.clients.http import HttpClient
from reconciler.clients.resolver import Resolver
from reconciler.consumer.books import DatabaseBooks
from reconciler.consumer.consumer import Consumer
from reconciler.consumer.surroundings import Surroundings, resolver_of
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import GuardError, StateError
from reconciler.model.ids import Network
from reconciler.model.networks import ENDPOINTS, Endpoints
from reconciler.store import schema
from reconciler.store.database import Database
from reconciler.store.settings import Settings
from reconciler.wallet.keyfile import read_key, write_key
from reconciler.wallet.keys import Keys
from reconciler.wire.http import Http

KEY_FILE: Final = "consumer.key"
DATABASE_FILE: Final = "consumer.db"
_CHAIN: Final = "network_id"
_RUN: Final = 8
"""Random bytes that name a process."""


@asynccontextmanager
async def open_consumer(
    folder: Path,
    *,
    network: Network,
    keys: Keys | None = None,
    passphrase: str | None = None,
    max_price: Satoshis | None = None,
    daily_budget: Satoshis | None = None,
    witnesses: int = 1,
    endpoints: Endpoints | None = None,
    http: Http | None = None,
    strangers: Http | None = None,
    resolver: Resolver | None = None,
    clock: Callable[[], float] = time.time,
    randomness: Callable[[int], bytes] = secrets.token_bytes,
) -> AsyncIterator[Consumer]:
    """A buyer for the block, whose key and books lie in `folder`.

    Args:
        folder: Has `consumer.key`, and `consumer.db` in a folder for each network; both are made where they are not there.
        network: Where to buy.
        keys: The buyer's, in place of the file's.
        passphrase: Of the key file, which is encrypted but on toy networks.
        max_price: See Consumer.
        daily_budget: See Consumer.
        witnesses: See Consumer.
        endpoints: The network's, where not its own.
        http: The door to what the user names.
        strangers: The door to what others name; one that leads to public addresses only, but on toy networks.
        resolver: Finds hosts.
        clock: Gives unix seconds.
        randomness: Gives random bytes.

    Raises StateError where the key cannot be used or the database is another chain's, GuardError where it is another buyer's.
    """
    endpoints = endpoints or ENDPOINTS[network]
    keys = keys or key_in(folder, network=network, passphrase=passphrase, randomness=randomness)
    async with AsyncExitStack() as stack:
        http, strangers = await _doors(stack, network, http, strangers)
        if resolver is None:
            made = resolver_of(network, endpoints, http=http, strangers=strangers, clock=clock)
            resolver = await stack.enter_async_context(made)
        surroundings = Surroundings.at(network, endpoints, http=http, strangers=strangers, resolver=resolver)
        database = await stack.enter_async_context(_database(folder / network.value / DATABASE_FILE))
        await _bind(database, keys, surroundings)
        books = DatabaseBooks(
            database=database, keys=keys, surroundings=surroundings, clock=clock, run=randomness(_RUN).hex()
        )
        yield Consumer(
            keys=keys,
            books=books,
            surroundings=surroundings,
            clock=clock,
            randomness=randomness,
            max_price=max_price,
            daily_budget=daily_budget,
            witnesses=witnesses,
        )


async def _doors(
    stack: AsyncExitStack, network: Network, http: Http | None, strangers: Http | None
) -> tuple[Http, Http]:
    """The door to what the user names, and that to what others name; those that nobody has brought are closed in the end."""
    if http is None:
        http = await stack.enter_async_context(HttpClient())
    if strangers is None:
        strangers = http if network.is_toy else await stack.enter_async_context(HttpClient(public_only=True))
    return http, strangers


def key_in(
    folder: Path, *, network: Network, passphrase: str | None, randomness: Callable[[int], bytes] = secrets.token_bytes
) -> Keys:
    """The buyer's key in a folder; a new one where there is none. Raises StateError where it cannot be kept or read."""
    path = folder / KEY_FILE
    if not path.exists():
        if passphrase is None and not network.is_toy:
            raise StateError(f"a key for {network} is kept encrypted", where=str(path), hint="give a passphrase")
        write_key(path, Keys(randomness(32)), passphrase=passphrase, randomness=randomness)
    return read_key(path, passphrase=passphrase, plain_allowed=network.is_toy)


@asynccontextmanager
async def _database(path: Path) -> AsyncIterator[Database]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database.open(f"sqlite:///{path}")
    try:
        await schema.prepare(database)
        yield database
    finally:
        await database.close()


async def _bind(database: Database, keys: Keys, surroundings: Surroundings) -> None:
    """Keep a database to one buyer and one chain: the first that it met."""
    chain = (await surroundings.headers.network_id()).encode()
    async with database.begin() as connection:
        settings = Settings(connection)
        bound, known = await settings.identity(), await settings.get(_CHAIN)
        if bound is None:
            await settings.put_identity(keys.identity)
        if known is None:
            await settings.put(_CHAIN, chain)
    if bound not in {None, keys.identity}:
        raise GuardError(
            f"this database belongs to the buyer {bound}, and the key at hand is {keys.identity}'s",
            hint="use that key, or another folder",
        )
    if known not in {None, chain}:
        raise StateError(
            "this database belongs to another chain than the one that answers",
            hint="the world was reset: move the database away, or put the world back",
        )
