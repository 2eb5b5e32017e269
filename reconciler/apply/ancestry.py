"""The ancestry of what is ours: a reorg may take the proof with which a coin came, and what lies behind it (store/ancestry.py)."""

from __future__ import annotations

from reconciler.apply.contest import Index, Proofs
from reconciler.store.ancestry import complete
from reconciler.store.coins import Coins
from reconciler.store.database import Database
from reconciler.store.journal import Journal


async def complete_ours(*, database: Database, index: Index, proofs: Proofs) -> None:
    """Fetch what is lacking behind open entries and live coins. Raises UnreachableError where nobody has it."""
    async with database.begin() as connection:
        ours = {txid for entry in await Journal(connection).open() for txid in entry.txids}
        ours |= {coin.outpoint.txid for coin in await Coins(connection).live()}
    await complete(ours, database=database, archive=index, proofs=proofs)
