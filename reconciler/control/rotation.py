"""Who speaks for a producer whose manifests rotate its identity key (PROTOCOL §10).

Before the rotation it is the old key, afterwards the new one; what decides is what this machine has recorded, and where it
has recorded nothing, what hosts show. So the same manifests may be applied again after the rotation, or after half of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from reconciler.control.binding import speaker
from reconciler.model.errors import StateError
from reconciler.model.ids import Txid
from reconciler.observe.roots import CatalogHost, read_roots
from reconciler.observe.succession import read_succession
from reconciler.store.database import Database
from reconciler.store.journal import Journal
from reconciler.wallet.keys import Keys
from reconciler.wire.spv import Verifier


@dataclass(frozen=True, slots=True)
class Signers:
    """The key that speaks now, and the one that it is to hand over to, where it has not yet."""

    keys: Keys
    successor: Keys | None = None


async def signers(
    keys: Keys,
    successor: Keys,
    *,
    database: Database,
    hosts: Mapping[str, CatalogHost],
    verifier: Verifier,
    now: int,
) -> Signers:
    """Which of the two it is.

    Raises StateError where the new key publishes something of its own, or where another machine has rotated what is recorded
    here: coins of the old key that are recorded here may be spent, and nobody could tell which.
    """
    bound = await speaker(database)
    if bound == successor.identity:
        return Signers(successor)
    async with database.reading() as connection:
        void: Collection[Txid] = await Journal(connection).void()
    found = (await read_roots(successor.identity, hosts=hosts, verifier=verifier, now=now, void=void)).newest
    if found is None:
        return Signers(keys, successor)
    succession = await read_succession(keys.identity, hosts=hosts, verifier=verifier, now=now, void=void)
    if succession is None or succession.heir != successor.identity:
        raise StateError(
            f"the key to rotate to publishes already: generation {found.document.generation} is its own",
            hint="`overlay identity rotate` makes a new one",
        )
    if bound is None:
        return Signers(successor)
    raise StateError(
        f"the identity key was rotated on another machine: generation {found.document.generation} is the new key's",
        hint="let identity.key name the new key, drop rotation, and say --replace-identity: its state is read anew",
    )
