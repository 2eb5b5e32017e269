"""What a host needs of the chain; reconciler.chain has both."""

from __future__ import annotations

from typing import Protocol

from reconciler.model.ids import Digest, Txid
from reconciler.wire.arc import TxReport
from reconciler.wire.beef import Beef
from reconciler.wire.merkle import MerklePath
from reconciler.wire.spv import Limits, Verified


class Chain(Protocol):
    """Block headers, and SPV against them. All of it raises UnreachableError and RefusedError where there are none to be had."""

    async def verified(self, beef: Beef, subject: Txid, *, now: int, limits: Limits | None = None) -> Verified:
        """Check a transaction by PROTOCOL §1. Raises VerificationError."""
        ...

    async def proven(self, path: MerklePath, txid: Txid) -> bool:
        """Whether a path leads from a transaction to a header of the chain."""
        ...

    async def root(self, height: int) -> Digest | None:
        """The Merkle root of the block at a height; None above the tip."""
        ...


class Statuses(Protocol):
    """Whoever knows what became of a transaction."""

    async def status(self, txid: Txid) -> TxReport | None:
        """What ARC says now; None where it has never heard of it. Raises UnreachableError, RefusedError."""
        ...
