"""What `overlay status` says: recorded and live state side by side."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.control.world import World
from reconciler.model.ids import IdentityKey, Network
from reconciler.observe.recorded import Recorded, recorded
from reconciler.observe.roots import RootReadings, read_roots
from reconciler.store.coins import Balance, Coins
from reconciler.store.database import Database
from reconciler.store.journal import Journal, JournalEntry
from reconciler.store.outbox import Delivery, Outbox
from reconciler.store.purchases import Bought, Purchases


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One moment of one producer on one network."""

    network: Network
    identity: IdentityKey
    recorded: Recorded
    readings: RootReadings
    last: JournalEntry | None
    owed: tuple[Delivery, ...]
    unused: tuple[Bought, ...]
    """What storage hosts were paid for and have not given."""
    balance: Balance


async def read_status(*, database: Database, world: World, identity: IdentityKey, now: int) -> Status:
    """Read our database, and ask every host that is not ours for the live root."""
    readings = await read_roots(identity, hosts=world.outside, verifier=world.headers, now=now)
    known = await recorded(database)
    async with database.reading() as connection:
        entries = await Journal(connection).list(1)
        return Status(
            network=world.network,
            identity=identity,
            recorded=known,
            readings=readings,
            last=entries[0] if entries else None,
            owed=await Outbox(connection).pending(),
            unused=await Purchases(connection).open(),
            balance=await Coins(connection).balance(),
        )
