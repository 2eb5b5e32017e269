"""A database serves one identity on one chain: the first that it met (DESIGN §6, §8)."""

from __future__ import annotations

from typing import Final

from reconciler.model.errors import GuardError, StateError
from reconciler.model.ids import Digest, IdentityKey, Network, identity_key
from reconciler.store.database import Database
from reconciler.store.settings import Settings

_NETWORK: Final = "network"
_CHAIN: Final = "network_id"
_IDENTITY: Final = "identity"
READER_SETTING: Final = "reader"
"""Whose key read what is recorded from hosts: the producer's, or its gateway's, which knows of no coins."""


async def check_identity(database: Database, identity: IdentityKey) -> None:
    """Raises GuardError where the database belongs to another identity: coins and records are not to be mixed."""
    async with database.begin() as connection:
        bound = await Settings(connection).get(_IDENTITY)
    if bound is not None and bound != identity.encode():
        raise GuardError(
            f"this database belongs to the identity {bound.decode()}, and the key at hand is {identity}'s",
            hint="use that identity's key, or give this one an OVERLAY_HOME or DATABASE_URL of its own",
        )


async def bind(database: Database, *, network: Network, network_id: Digest, identity: IdentityKey) -> IdentityKey:
    """Bind a new database, or check an old one; returns the identity that it belongs to, for the plan's guard.

    Raises StateError for a database of another network or another chain: nothing that it knows would hold here.
    """
    async with database.begin() as connection:
        settings = Settings(connection)
        for name, value in ((_NETWORK, network.value), (_CHAIN, network_id), (_IDENTITY, identity)):
            if await settings.get(name) is None:
                await settings.put(name, value.encode())
        bound_network, bound_chain = await settings.get(_NETWORK), await settings.get(_CHAIN)
        bound_identity = await settings.get(_IDENTITY)
    if bound_network != network.value.encode():
        raise StateError(
            f"this database belongs to the network {(bound_network or b'').decode()}, not {network}",
            hint="give each network a database of its own",
        )
    if bound_chain != network_id.encode():
        raise StateError(
            "this database belongs to another chain than the one that answers",
            hint="the world was reset: move its folder and this database away together, or put the world back",
        )
    return identity_key((bound_identity or b"").decode())


async def claim(database: Database, *, producer: IdentityKey, reader: IdentityKey) -> None:
    """Keep a database to whoever may fill it: the producer, or its gateway, which knows of no coins. The first has it.

    Raises StateError for the other one: a gateway would take away coins, and a producer would find none.
    """
    async with database.begin() as connection:
        settings = Settings(connection)
        known, is_bound = await settings.get(READER_SETTING), await settings.get(_IDENTITY) is not None
        if known is None and is_bound:
            known = producer.encode()
        if known is None or known == reader.encode():
            await settings.put(READER_SETTING, reader.encode())
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
