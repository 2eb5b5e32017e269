"""Following what is on its way to a block, for commands that are no apply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from reconciler.apply.books import Books
from reconciler.apply.events import tell_nobody
from reconciler.apply.prove import settle
from reconciler.control.world import World
from reconciler.model.errors import TransientError
from reconciler.model.ids import Txid
from reconciler.store.database import Database
from reconciler.store.journal import Journal

_TOY_PAUSE = 0.25
_PAUSE = 15.0


async def settle_wallet(database: Database, world: World, *, clock: Callable[[], float]) -> None:
    """Take in the proofs that ARC has for our unproven transactions. Raises UnreachableError, RefusedError."""
    books = Books(database=database, token=None, tell=tell_nobody)
    await settle(books=books, arc=world.arc, proofs=world.headers, now=lambda: int(clock()))


async def wait_until_mined(
    txid: Txid, database: Database, world: World, *, clock: Callable[[], float], patience: float
) -> bool:
    """Whether a block has an apply's transaction before `patience` (seconds) ends. Asks now and then; silence is waited out."""
    pause = _TOY_PAUSE if world.network.is_toy else _PAUSE
    try:
        async with asyncio.timeout(patience):
            while not await _is_mined(txid, database, world, clock):  # noqa: ASYNC110 - nobody tells of a block
                await asyncio.sleep(pause)
    except TimeoutError:
        return False
    return True


async def _is_mined(txid: Txid, database: Database, world: World, clock: Callable[[], float]) -> bool:
    try:
        await settle_wallet(database, world, clock=clock)
    except TransientError:  # silence is waited out
        return False
    async with database.begin() as connection:
        return bool(await Journal(connection).mined([txid]))
