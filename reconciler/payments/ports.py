"""What a seller needs of others: keys to be paid to, a miner, the chain's headers."""

from __future__ import annotations

from typing import Protocol

from reconciler.model.ids import Digest, IdentityKey, Txid
from reconciler.model.keys import KeyRef
from reconciler.wire.arc import TxReport
from reconciler.wire.beef import Beef
from reconciler.wire.merkle import MerklePath
from reconciler.wire.spv import Limits, Verified


class Receiver(Protocol):
    """The seller's keys."""

    @property
    def identity(self) -> IdentityKey:
        """Who is paid."""
        ...

    def public(self, key: KeyRef) -> IdentityKey:
        """The public half of a child key of the seller's."""
        ...

    def sign(self, key: KeyRef, data: bytes) -> bytes:
        """An ECDSA signature (low-S DER) over SHA-256 of `data`, always the same."""
        ...

    def mac(self, key: KeyRef, data: bytes) -> bytes:
        """HMAC-SHA256 under a key that only the seller can derive."""
        ...


class Miner(Protocol):
    """ARC. Raises UnreachableError, and RefusedError with ARC's code."""

    async def submit(self, beef: Beef, subject: Txid | None = None) -> TxReport:
        """Hand over a transaction; again changes nothing, and tells how it stands."""
        ...

    async def status(self, txid: Txid) -> TxReport | None:
        """How a transaction stands; None where it is unknown."""
        ...


class Chain(Protocol):
    """Block headers, and SPV against them. Raises UnreachableError and RefusedError where there are none to be had."""

    async def verified(self, beef: Beef, subject: Txid, *, now: int, limits: Limits | None = None) -> Verified:
        """Check a transaction by PROTOCOL §1. Raises VerificationError."""
        ...

    async def proven(self, path: MerklePath, txid: Txid) -> bool:
        """Whether a path leads from a transaction to a header of the chain."""
        ...

    async def height(self) -> int:
        """The height of the tip."""
        ...

    async def root(self, height: int) -> Digest | None:
        """The Merkle root of the block at a height; None above the tip."""
        ...
