"""A database serves one identity on one chain: the first that it met (DESIGN §6, §8)."""

from __future__ import annotations

from typing import Final

from reconciler.model.errors import GuardError, StateError
from reconciler.model.ids import Digest, IdentityKey, Network
from reconciler.model.journal import JournalState
from reconciler.store.database import Database
from reconciler.store.journal import Journal
from reconciler.store.outcome import Outcome
from reconciler.store.schema import is_blank, is_new
from reconciler.store.settings import Settings

_NETWORK: Final = "network"
_CHAIN: Final = "network_id"


async def holder(database: Database) -> IdentityKey | None:
    """The identity that a database belongs to; None where it belongs to nobody yet, or is not set up."""
    if await is_new(database):
        return None
    async with database.reading() as connection:
        return await Settings(connection).identity()


async def is_vacant(database: Database) -> bool:
    """Whether a database says nothing: who opened it never reached the world, and no coin or record is in it."""
    return await holder(database) is None and (await is_new(database) or await is_blank(database))


async def speaker(database: Database) -> IdentityKey | None:
    """The identity that a database belongs to, as it will be once the next apply has finished what the last one left behind.

    A rotation of the identity key that may have been sent reaches its commit point, and the database is the new key's then.
    """
    async with database.reading() as connection:
        bound = await Settings(connection).identity()
        journal = Journal(connection)
        sent = [each for each in await journal.unfinished() if each.state is not JournalState.PREPARED]
        for entry in (each for each in sent if each.publishes):
            outcome = Outcome.from_bytes(await journal.outcome(entry.id))
            bound = outcome.identity if outcome.replaces == bound else bound
    return bound


async def check_identity(database: Database, identity: IdentityKey) -> None:
    """Raises GuardError where the database belongs to another identity: coins and records are not to be mixed."""
    bound = await speaker(database)
    if bound not in {None, identity}:
        raise GuardError(
            f"this database belongs to the identity {bound}, and the key at hand is {identity}'s",
            hint="use that identity's key, or give this one a DATABASE_URL or OVERLAY_HOME of its own",
        )


async def bind(database: Database, *, network: Network, network_id: Digest, identity: IdentityKey) -> None:
    """Bind a new database, or check an old one; whose it is `check_identity` has checked.

    Raises StateError for a database of another network or another chain: nothing that it knows would hold here.
    """
    async with database.begin() as connection:
        settings = Settings(connection)
        for name, value in ((_NETWORK, network.value), (_CHAIN, network_id)):
            if await settings.get(name) is None:
                await settings.put(name, value.encode())
        if await settings.identity() is None:
            await settings.put_identity(identity)
    await check_world(database, network=network, network_id=network_id)


async def check_world(database: Database, *, network: Network, network_id: Digest) -> None:
    """Raises StateError for a database that is bound to another network or chain, before anything is done with what it knows."""
    async with database.reading() as connection:
        settings = Settings(connection)
        bound_network, bound_chain = await settings.get(_NETWORK), await settings.get(_CHAIN)
    if bound_network not in {None, network.value.encode()}:
        raise StateError(
            f"this database belongs to the network {(bound_network or b'').decode()}, not {network}",
            hint="give each network a database of its own",
        )
    if bound_chain not in {None, network_id.encode()}:
        raise StateError(
            "this database belongs to another chain than the one that answers",
            hint="the world was reset: move its folder and this database away together, or put the world back",
        )


async def claim(database: Database, *, producer: IdentityKey, reader: IdentityKey) -> None:
    """Keep a database to whoever may fill it: the producer, or its gateway, which knows of no coins. The first has it.

    Raises StateError for the other one: a gateway would take away coins, and a producer would find none.
    """
    async with database.begin() as connection:
        settings = Settings(connection)
        known, bound = await settings.reader(), await settings.identity()
        if known is None and bound is not None:
            known = producer
        if known is None or known == reader:
            await settings.put_reader(reader)
            return
        if reader == producer and known == bound:  # the producer's own, and its key is about to be another (`speaker`)
            return
    if reader == producer:
        raise StateError(
            "what is recorded here was read with the gateway's key, and lacks the coins",
            hint="`overlay state rebuild` reads it again with the identity key",
        )
    raise StateError(
        "this database is the producer's own, and a gateway's key would lose its coins",
        hint="give the gateway an OVERLAY_HOME or DATABASE_URL of its own, or this machine the identity key",
    )
