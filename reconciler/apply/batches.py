"""What waits for blocks in a large apply: the root for its batches (PROTOCOL §4), many sweeps for their root, and the end for these."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from reconciler.apply.books import Books
from reconciler.apply.contest import Proofs
from reconciler.apply.events import Ending, Event, Step
from reconciler.apply.handover import Broadcaster
from reconciler.apply.prove import settle
from reconciler.model.errors import PartialError
from reconciler.model.ids import Txid
from reconciler.model.journal import EntryRole, JournalState
from reconciler.store.journal import Journal, JournalEntry
from reconciler.store.transactions import Transactions

UNPROVEN: Final = 100
"""So many batches (10,000 records) may be on their way to a block when the root follows them."""

PATIENCE: Final = 7200.0
"""Seconds that the root waits for blocks."""

_POLL: Final = 0.5


async def until_proven(
    txids: Collection[Txid],
    *,
    books: Books,
    arc: Broadcaster,
    proofs: Proofs,
    now: Callable[[], int],
    patience: float = PATIENCE,
) -> None:
    """Wait until blocks have these transactions, so that what follows them can be shown without their ancestry.

    Raises PartialError where no block takes them in time: the next apply goes on from here.
    """
    waited = 0.0
    while unproven := await _unproven(txids, books):
        if waited >= patience:
            raise PartialError(
                f"no block has {unproven[0]} yet, and what follows it waits for that; the root is out",
                where=unproven[0],
                hint="repeat the command: it goes on from here",
            )
        if not waited:
            detail = "is out; what follows it waits for a block that has it"
            books.tell(Event(step=Step.BROADCAST, subject=unproven[0], ending=Ending.BLOCKED, detail=detail))
        await asyncio.sleep(_POLL)
        waited += _POLL
        await settle(books=books, arc=arc, proofs=proofs, now=now)


async def _unproven(txids: Collection[Txid], books: Books) -> list[Txid]:
    async with books.database.reading() as connection:
        stored = await Transactions(connection).find(txids)
    return sorted(txid for txid, found in stored.items() if found.proof is None)


async def until_mined(
    entry: JournalEntry,
    *,
    books: Books,
    arc: Broadcaster,
    proofs: Proofs,
    now: Callable[[], int],
    most: int = UNPROVEN,
    patience: float = PATIENCE,
) -> None:
    """Wait before the root of an apply with more than `most` batches; for any other entry there is nothing to wait for.

    Raises PartialError where no block takes them in time: the next apply goes on from here.
    """
    if entry.role is not EntryRole.ROOT:
        return
    batches = await books.database.read(lambda connection: Journal(connection).batches(entry))
    if len(batches) <= most:
        return
    waited = 0.0
    while unproven := [state for state in batches if state is not JournalState.MINED]:
        if waited >= patience:
            raise PartialError(
                f"{len(unproven)} of {len(batches)} batches are in no block yet, and the root waits for them",
                where=entry.id,
                hint="repeat the command: it goes on from here",
            )
        if not waited:
            detail = f"{len(batches)} batches are out; their root waits for a block that has them"
            books.tell(Event(step=Step.BROADCAST, subject=entry.id, ending=Ending.BLOCKED, detail=detail))
        await asyncio.sleep(_POLL)
        waited += _POLL
        await settle(books=books, arc=arc, proofs=proofs, now=now)
        batches = await books.database.read(lambda connection: Journal(connection).batches(entry))
