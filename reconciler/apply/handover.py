"""Handing transactions to ARC, with a line in the books for each ARC that may have got the bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reconciler.apply.contest import Reporter
from reconciler.model.ids import Txid
from reconciler.store.database import Database
from reconciler.store.handovers import Handovers
from reconciler.wire.arc import VERDICTS, Standing, TxReport
from reconciler.wire.beef import Beef


class Miners(Protocol):
    """The ARCs of a network."""

    @property
    def urls(self) -> tuple[str, ...]:
        """Their origins."""
        ...

    async def submit(self, beef: Beef, txid: Txid, note: Courier) -> TxReport:
        """Hand over a transaction with its ancestry, telling `note` who is given it; idempotent."""
        ...

    async def status(self, txid: Txid) -> TxReport | None:
        """How a transaction stands; None where none of them knows it."""
        ...


class Broadcaster(Reporter, Protocol):
    """ARC, as far as apply needs it."""

    async def submit(self, beef: Beef, txid: Txid) -> TxReport:
        """Hand over a transaction with its ancestry; idempotent."""
        ...

    async def is_nowhere(self, txid: Txid) -> bool:
        """Whether whoever was ever given it has judged and refused it, and nobody knows it."""
        ...


@dataclass(frozen=True, slots=True)
class Courier:
    """ARC, as apply speaks to it. Nobody gets a byte before the database says who will have got it."""

    database: Database
    arcs: Miners

    async def submit(self, beef: Beef, txid: Txid) -> TxReport:
        """Hand over a transaction with its ancestry; idempotent. Raises as chain.arcs does."""
        return await self.arcs.submit(beef, txid, self)

    async def status(self, txid: Txid) -> TxReport | None:
        """How a transaction stands; None where no ARC knows it."""
        return await self.arcs.status(txid)

    async def is_nowhere(self, txid: Txid) -> bool:
        """Whether every ARC that was ever given it has said no, at least one of them by a verdict, and none knows it now.

        One that is not configured any more cannot be asked: then nobody can say so.
        """
        async with self.database.begin() as connection:
            given = await Handovers(connection).of(txid)
        is_judged = None not in given.values() and not VERDICTS.isdisjoint(set(given.values()))
        if not is_judged or not given.keys() <= set(self.arcs.urls):
            return False
        report = await self.status(txid)
        return report is None or report.standing is Standing.REFUSED

    async def giving(self, txid: Txid, arc: str) -> None:
        """Write down that bytes are about to leave."""
        async with self.database.begin() as connection:
            await Handovers(connection).giving(txid, arc)

    async def answered(self, txid: Txid, arc: str, refusal: str | None) -> None:
        """Write down that an ARC took them, or with what code it refused."""
        async with self.database.begin() as connection:
            await Handovers(connection).answered(txid, arc, refusal)
