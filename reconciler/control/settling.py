"""Following what is on its way to a block, for commands that are no apply."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.apply.books import Books
from reconciler.apply.events import tell_nobody
from reconciler.apply.recover import settle
from reconciler.control.world import World
from reconciler.store.database import Database


async def settle_wallet(database: Database, world: World, *, clock: Callable[[], float]) -> None:
    """Take in the proofs that ARC has for our unproven transactions. Raises UnreachableError, RefusedError."""
    books = Books(database=database, token=None, tell=tell_nobody)
    await settle(books=books, arc=world.arc, proofs=world.headers, now=lambda: int(clock()))
