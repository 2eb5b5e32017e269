"""What tables of transactions that wait for a block have in common: a proof, its block, and when the network is asked again.

Such a table has `txid`, `proof` (a BUMP), `height` and `root` of its block, `doubted`, since when the network has not shown it,
and `next_look`, NULL where nobody need be asked any more. Times are in unix seconds.
"""

from __future__ import annotations

from functools import cache

from sqlalchemy import Table, Update, bindparam, func, select, update

from reconciler.model.errors import StateError
from reconciler.model.ids import Digest, Txid
from reconciler.store.works import Connection
from reconciler.wire.merkle import MerklePath


class Watched:
    """The transactions of one such table."""

    def __init__(self, connection: Connection, table: Table) -> None:
        self._connection = connection
        self._table = table

    async def update(self, txid: Txid, **values: object) -> None:
        """Set columns of one transaction. Raises StateError where there is no such."""
        given = {f"new_{name}": value for name, value in values.items()}
        setting = _setting(self._table, tuple(values))
        if await self._connection.changed(setting, {"watched": txid, **given}) != 1:
            raise StateError("there is no such transaction in the database", where=txid)

    async def prove(self, txid: Txid, path: MerklePath) -> None:
        """Keep its proof: nobody need be asked any more. That it holds is for the caller to know."""
        proof = path.only([txid]).to_bytes()
        await self.update(txid, proof=proof, height=path.height, root=path.block_root, next_look=None)

    async def unprove(self, height: int, root: Digest, now: int) -> tuple[Txid, ...]:
        """Forget all proofs by a block that is gone; returns whose they were."""
        table = self._table
        gone = update(table).where(table.c.height == height, table.c.root == root).returning(table.c.txid)
        unproven = gone.values(proof=None, height=None, root=None, next_look=now)
        return tuple(map(Txid, await self._connection.scalars(unproven)))

    async def newest_blocks(self) -> tuple[tuple[int, Digest], ...]:
        """Height and root of the highest block that proves something; of several where proofs do not agree.

        A reorg shows there first.
        """
        top = select(func.max(self._table.c.height)).scalar_subquery()
        query = select(self._table.c.height, self._table.c.root).where(self._table.c.height == top).distinct()
        return tuple((row.height, Digest(row.root)) for row in await self._connection.execute(query))


@cache
def _setting(table: Table, columns: tuple[str, ...]) -> Update:
    """Made once: to make a statement costs more than to run it."""
    changed = update(table).where(table.c.txid == bindparam("watched"))
    return changed.values({name: bindparam(f"new_{name}") for name in columns})
