"""Which ARC was given which transaction: written down before a byte of it leaves, and with it whether that ARC said no.

Nobody was given what is not here, and that is the only proof there is that nothing was sent (PROTOCOL §4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Column, ForeignKey, Table, Text, select, update

from reconciler.model.ids import Txid
from reconciler.store.batches import batches
from reconciler.store.database import Hex, metadata
from reconciler.store.inserts import upsert
from reconciler.store.works import Connection

SOMEBODY: Final = ""
"""Stands for whoever was given a transaction before this was written down; so nobody can say that all of them said no."""

handovers = Table(
    "handovers",
    metadata,
    Column("txid", Hex, ForeignKey("transactions.txid", deferrable=True, initially="DEFERRED"), primary_key=True),
    Column("arc", Text, primary_key=True),
    Column("refusal", Text),
)
"""`arc` is its origin, `refusal` the code or status with which it said no; null where it took the transaction, or never answered."""


class Handovers:
    """Who was given what."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def giving(self, txid: Txid, arc: str) -> None:
        """An ARC is about to be given a transaction, perhaps again: what it said before does not count any more."""
        row = {"txid": txid, "arc": arc, "refusal": None}
        await upsert(self._connection, handovers, [row], keys=["txid", "arc"])

    async def answered(self, txid: Txid, arc: str, refusal: str | None) -> None:
        """What it said: the code or status of its refusal, or None where it took the transaction."""
        given = (handovers.c.txid == txid, handovers.c.arc == arc)
        await self._connection.execute(update(handovers).where(*given).values(refusal=refusal))

    async def of(self, txid: Txid) -> Mapping[str, str | None]:
        """Who was given a transaction, each with the refusal that it answered last, if it did."""
        rows = await self._connection.execute(select(handovers).where(handovers.c.txid == txid))
        return {row.arc: row.refusal for row in rows}

    async def sent(self, txids: Iterable[Txid]) -> frozenset[Txid]:
        """Those of these transactions that may have left this machine."""
        found: set[Txid] = set()
        for batch in batches(txids):
            query = select(handovers.c.txid).distinct().where(handovers.c.txid.in_(batch))
            found.update(Txid(txid) for txid in await self._connection.scalars(query))
        return frozenset(found)
