"""What a host needs of others: of the chain (reconciler.chain has both), and of other hosts (reconciler.clients)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from reconciler.model.ids import Digest, Txid
from reconciler.store.works import Connection
from reconciler.wire.arc import TxReport
from reconciler.wire.beef import Beef
from reconciler.wire.gasp import ListAnswer, ListRequest, Node, NodeRequest
from reconciler.wire.merkle import MerklePath
from reconciler.wire.spv import Limits, Verified
from reconciler.wire.submission import Admittance, Submission


class Chain(Protocol):
    """Block headers, and SPV against them. All of it raises UnreachableError and RefusedError where there are none to be had."""

    async def verified(self, beef: Beef, subject: Txid, *, now: int, limits: Limits | None = None) -> Verified:
        """Check a transaction by PROTOCOL §1. Raises VerificationError."""
        ...

    async def all_verified(
        self, beef: Beef, subjects: Sequence[Txid], *, now: int, limits: Limits | None = None
    ) -> tuple[Verified, ...]:
        """The same for several of one BEEF."""
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


class Peer(Protocol):
    """Another host. All of it raises RefusedError where it says no, UnreachableError where it fails or talks nonsense."""

    url: str

    async def submit(self, submission: Submission) -> Mapping[str, Admittance]:
        """Hand over a transaction (BRC-22)."""
        ...

    async def listed(self, topic: str, request: ListRequest) -> ListAnswer:
        """What it keeps (GASP)."""
        ...

    async def node(self, request: NodeRequest) -> Node:
        """The very transaction of an output, as yet unverified (GASP)."""
        ...

    async def document(self, digest: Digest) -> bytes:
        """The document with this hash."""
        ...


class Peers(Protocol):
    """Whoever knows other hosts, by their origins, and speaks to them. Never this host itself."""

    async def advertised(self, topic: str) -> Sequence[str]:
        """Those that say by SHIP that they take a topic. Raises UnreachableError where no tracker answers."""
        ...

    async def known(self, topic: str) -> Sequence[str]:
        """The same, and those that we were told about otherwise, which may not keep it."""
        ...

    def at(self, url: str) -> Peer:
        """The host at an origin that was given by one of the others."""
        ...


class Outgoing(Protocol):
    """Whoever tells other hosts what was taken in here."""

    async def add(self, connection: Connection, txid: Txid, topics: Sequence[str]) -> None:
        """Note, in the database transaction that takes it in, that a transaction is new to these topics."""
        ...

    def wake(self) -> None:
        """That transaction is committed."""
        ...
