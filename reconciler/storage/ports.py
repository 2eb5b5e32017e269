"""What a storage host needs of others: a key, a miner, the chain's headers, overlay hosts, and somebody who pays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from reconciler.model.amounts import FeeRate, Satoshis
from reconciler.model.ids import IdentityKey, Txid
from reconciler.model.keys import KeyRef
from reconciler.wire.arc import TxReport
from reconciler.wire.beef import Beef
from reconciler.wire.merkle import MerklePath
from reconciler.wire.submission import Admittance, Submission


class Signer(Protocol):
    """A wallet's keys."""

    @property
    def identity(self) -> IdentityKey:
        """Whose keys they are."""
        ...

    def sign(self, key: KeyRef, data: bytes) -> bytes:
        """A DER signature over SHA-256 of `data`."""
        ...

    def public(self, key: KeyRef) -> IdentityKey:
        """The public half of a child key."""
        ...


class Miner(Protocol):
    """ARC. Raises UnreachableError and RefusedError."""

    async def submit(self, beef: Beef, subject: Txid | None = None) -> TxReport:
        """Hand over a transaction; again changes nothing."""
        ...

    async def status(self, txid: Txid) -> TxReport | None:
        """How a transaction stands; None where it is unknown."""
        ...

    async def policy(self) -> FeeRate:
        """The mining fee."""
        ...


class Chain(Protocol):
    """Block headers. Raises UnreachableError and RefusedError."""

    async def proven(self, path: MerklePath, txid: Txid) -> bool:
        """Whether a path leads from a transaction to a header of the chain."""
        ...


class OverlayHost(Protocol):
    """A BRC-22 host. Raises UnreachableError and RefusedError."""

    async def submit(self, submission: Submission) -> Mapping[str, Admittance]:
        """Hand over a transaction."""
        ...


class Funder(Protocol):
    """Somebody who pays for advertisements: on toy networks the faucet."""

    async def fund(self, address: str, satoshis: Satoshis) -> bytes:
        """Pay to an address; the payment as a proven BEEF. Raises UnreachableError and RefusedError."""
        ...
