"""The embedded chain: blocks, mempool, faucet and reorgs in one SQLite file that several processes may share.

No HTTP here; devnet/arc.py gives it ARC's face. It mines when somebody looks: whatever has waited for `block_time` seconds
is in a block before any question is answered.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Final, Self, TypeVar

from reconciler.chain.branch import Block
from reconciler.chain.notices import Delivery
from reconciler.chain.tables import open_world, transaction
from reconciler.chain.world import Funding, Overview, Unspent, World
from reconciler.model.amounts import FeeRate, Satoshis
from reconciler.model.ids import Digest, Outpoint, Txid
from reconciler.wire.arc import Callback, TxReport
from reconciler.wire.beef import Beef
from reconciler.wire.transaction import Transaction, TxOutput

POLICY: Final = FeeRate(Satoshis(100), 1000)
"""What the network takes today: 100 satoshis for 1,000 bytes."""

_Result = TypeVar("_Result")


class Ledger:
    """One embedded world. Every method is one transaction; methods may be called from several tasks and processes."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float],
        randomness: Callable[[int], bytes],
        block_time: float = 1.0,
        rate: FeeRate = POLICY,
    ) -> None:
        """Name a world, which is made by the first call if `path` does not exist.

        `clock` gives unix seconds, `randomness` that many random bytes. Of `block_time` and `rate` every process uses its own.
        """
        self.block_time = block_time
        self.rate = rate
        self._path = path
        self._clock = clock
        self._randomness = randomness
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the file back. A later call opens it again."""

        def close() -> None:
            with self._lock:
                if self._connection:
                    self._connection.close()
                self._connection = None

        await asyncio.to_thread(close)

    async def submit(
        self,
        submitted: Transaction,
        spent: Sequence[TxOutput] | None = None,
        *,
        callback: Callback | None = None,
    ) -> TxReport:
        """Hand in a transaction. Idempotent; conflicts, orphans and losers are statuses.

        `spent` are the outputs that it spends, as its sender says (Extended Format); without them its parents must be here.
        Raises RefusedError with a code of wire.arc.ArcError for what ARC would not pass on.
        """
        return await self._run(lambda world: world.submit(submitted, spent, callback))

    async def status(self, txid: Txid) -> TxReport | None:
        """How a transaction stands; None for one never heard of."""
        return await self._run(lambda world: world.evidence.report(txid))

    async def beef(self, txid: Txid) -> Beef:
        """A transaction with its ancestry back to proven ones. Raises RefusedError (code 404)."""
        return await self._run(lambda world: world.evidence.beef(txid))

    async def block(self, height: int) -> Block | None:
        """The block of the active branch at a height."""
        return await self._run(lambda world: world.branch.at(height))

    async def block_of(self, block: Digest) -> Block | None:
        """The block of the active branch with this hash."""

        def find(world: World) -> Block | None:
            height = world.branch.height_of(block)
            return None if height is None else world.branch.at(height)

        return await self._run(find)

    async def latest(self, count: int) -> tuple[Block, ...]:
        """The last blocks, highest first."""

        def collect(world: World) -> tuple[Block, ...]:
            height = world.branch.height()
            blocks = (world.branch.at(each) for each in range(height, max(-1, height - count), -1))
            return tuple(block for block in blocks if block)

        return await self._run(collect)

    async def height(self) -> int:
        """The height of the tip."""
        return await self._run(lambda world: world.branch.height())

    async def overview(self) -> Overview:
        """The world at a glance."""
        return await self._run(lambda world: world.overview(self.block_time))

    async def unspent(self, locking: bytes) -> tuple[Unspent, ...]:
        """The unspent outputs with a locking script, oldest first, unmined ones included."""
        return await self._run(lambda world: world.unspent(locking))

    async def spender(self, outpoint: Outpoint) -> Txid | None:
        """What spends an output, in pool or chain; None where nothing does."""
        return await self._run(lambda world: world.spender(outpoint))

    async def forget(self, txid: Txid) -> None:
        """Drop a transaction from the mempool, as nodes do, and know nothing of it; its descendants become orphans.

        Raises RefusedError where it is not in the mempool.
        """
        await self._run(lambda world: world.pool.forget(txid))

    async def faucet(self, locking: bytes, satoshis: Satoshis) -> Funding:
        """Pay money out of nothing to a locking script, in a transaction of its own that is mined at once.

        Raises RefusedError for an amount that the reserve does not have.
        """
        return await self._run(lambda world: world.fund(locking, satoshis))

    async def mine(self, count: int = 1) -> tuple[Block, ...]:
        """Mine blocks; the first takes the whole mempool."""
        return await self._run(lambda world: tuple(world.miner.mine() for _ in range(count)))

    async def reorg(
        self, depth: int, *, drop: Iterable[Txid] = (), instead: Iterable[Transaction] = (), again: bool = False
    ) -> tuple[Block, ...]:
        """Replace the last `depth` blocks (1 to 99, never block 1) by `depth` + 1 others, in one step.

        Their transactions wait in the mempool afterwards, or with `again` are in the first new block. `drop` is forgotten, its
        descendants become orphans; `instead` may spend what it spent, and is in the first new block. Raises RefusedError.
        """
        return await self._run(lambda world: world.miner.reorg(depth, drop=drop, instead=instead, again=again))

    async def replace(self, loser: Txid, winner: Transaction) -> Block:
        """Mine a transaction that conflicts with one in the mempool, which loses for good. Raises RefusedError."""
        return await self._run(lambda world: world.miner.replace(loser, winner))

    async def touch(self) -> None:
        """Mine, if it is time."""
        await self._run(lambda _: None)

    async def claim_callbacks(self, limit: int = 50) -> tuple[Delivery, ...]:
        """Callbacks to make now, given to one caller at a time; each is to be followed by `called_back`."""
        return await self._run(lambda world: world.notices.claim(limit))

    async def called_back(self, delivery: Delivery, *, arrived: bool) -> None:
        """Say what became of a callback; one that did not arrive is due again later, up to ten times."""

        def note(world: World) -> None:
            (world.notices.delivered if arrived else world.notices.failed)(delivery.id)

        await self._run(note)

    async def _run(self, work: Callable[[World], _Result]) -> _Result:
        return await asyncio.to_thread(self._transact, work)

    def _transact(self, work: Callable[[World], _Result]) -> _Result:
        with self._lock:
            if self._connection is None:
                self._connection = open_world(
                    self._path, self._randomness(8).hex(), lambda new: self._world(new).begin()
                )
            with transaction(self._connection):
                world = self._world(self._connection)
                world.miner.mine_if_due(self.block_time)
                world.pool.settle()
                return work(world)

    def _world(self, connection: sqlite3.Connection) -> World:
        return World(connection, now=self._clock(), randomness=self._randomness, rate=self.rate)
