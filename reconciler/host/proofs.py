"""How a host learns which of its transactions are mined, and which are not any more.

It asks ARC about those without a proof, a few at a time, and believes a proof when the chain's headers do. A reorg takes the
end of the chain away, so it shows at the highest proven block first, and the search for lost proofs ends where one holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from reconciler.host.conflicts import Conflicts
from reconciler.host.ports import Chain, Statuses
from reconciler.model.errors import RefusedError, TransientError, VerificationError
from reconciler.model.ids import Txid
from reconciler.store.database import Database
from reconciler.store.host_transactions import BlockProof, HostTransactions
from reconciler.store.transactions import Transactions
from reconciler.wire.merkle import MerklePath, parse_path

_AT_ONCE: Final = 20
"""Transactions that ARC is asked about in one round."""

_PAUSE: Final = 1
"""Seconds between two rounds that requests set off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What one round brought."""

    proven: tuple[Txid, ...]
    lost: tuple[Txid, ...]
    """Their block is gone; they are unproven again."""


class Proofs:
    """Keeps the proofs of one host's transactions up to date."""

    def __init__(
        self,
        *,
        database: Database,
        chain: Chain,
        statuses: Statuses,
        clock: Callable[[], float],
        in_background: bool = False,
    ) -> None:
        """`in_background`: some process on this database calls `run`, so that requests need not set off rounds."""
        self._database = database
        self._chain = chain
        self._statuses = statuses
        self._clock = clock
        self._next = 0.0
        self._in_background = in_background

    async def touch(self) -> None:
        """A round, unless there was one just now or somebody's `run` sees to it; a chain that does not answer is asked next time."""
        if self._in_background or self._clock() < self._next:
            return
        self._next = self._clock() + _PAUSE
        try:
            await self.refresh()
        except (TransientError, RefusedError):  # the request that set this off does not depend on it
            return

    async def run(self, every: float) -> None:
        """Rounds for ever, `every` so many seconds; for a server's background."""
        while True:
            with suppress(TransientError, RefusedError):  # the next round comes anyway
                await self.refresh()
            await asyncio.sleep(every)

    async def refresh(self) -> Refreshed:
        """One round. Raises UnreachableError or RefusedError where the chain's headers cannot be had."""
        lost = await self._drop_lost()
        async with self._database.begin() as connection:
            txids = await HostTransactions(connection).ask_about(_AT_ONCE, int(self._clock()))
        paths = await asyncio.gather(*(self._path(txid) for txid in txids))
        proven = {txid: path for txid, path in zip(txids, paths, strict=True) if path is not None}
        await self.keep(proven)
        return Refreshed(proven=tuple(proven), lost=lost)

    async def keep(self, proven: Mapping[Txid, MerklePath]) -> None:
        """Keep proofs that the chain confirms, in the place of any older ones; of transactions that are not here, none.

        A transaction may be here that no topic of the host has seen: the producer's own, which lie in the same database.
        """
        if not proven:
            return
        async with self._database.begin() as connection:
            stored, hosted = Transactions(connection), HostTransactions(connection)
            here, taken = await stored.find(proven), await hosted.get(tuple(proven))
            for txid in here:
                path = proven[txid]
                await stored.prove(txid, path)
                if txid in taken:
                    await Conflicts(hosted).prove(txid, BlockProof(height=path.height, root=path.root(txid)))

    async def ask_soon(self, txids: Collection[Txid]) -> None:
        """Ask ARC about these in the next round, before all others that have no proof; the next request sets it off, where no background does."""
        if not txids:
            return
        async with self._database.begin() as connection:
            await HostTransactions(connection).ask_soon(txids)
        self._next = 0.0

    async def _path(self, txid: Txid) -> MerklePath | None:
        """A proof that the chain confirms, if there is one; what ARC cannot or will not say now, it may say next time."""
        try:
            report = await self._statuses.status(txid)
            if report is None or report.merkle_path is None:
                return None
            path = parse_path(report.merkle_path)
            return path if await self._chain.proven(path, txid) else None
        except (TransientError, RefusedError, VerificationError):
            return None

    async def _drop_lost(self) -> tuple[Txid, ...]:
        lost: list[Txid] = []
        while True:
            async with self._database.begin() as connection:
                highest = await HostTransactions(connection).highest_proofs()
            gone = [txid for txid, proof in highest if await self._chain.root(proof.height) != proof.root]
            if not gone:
                return tuple(lost)
            async with self._database.begin() as connection:
                for txid in gone:
                    await HostTransactions(connection).prove(txid, None)
                    await Transactions(connection).unprove(txid)
            lost += gone
