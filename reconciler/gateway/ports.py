"""What the gateway is handed by whoever puts it together: servers import neither clients nor content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from starlette.requests import Request
from starlette.responses import Response

from reconciler.model.ids import Digest, IdentityKey, RecordId
from reconciler.model.keys import KeyRef
from reconciler.payments.templates import Deriver
from reconciler.web.handshakes import Signer
from reconciler.wire.documents import RecordDocument
from reconciler.wire.sealed_content import KnownContent


class GatewayKeys(Signer, Deriver, Protocol):
    """The gateway's own keys (`wallet.keys.Keys`)."""

    def encrypt(self, key: KeyRef, plaintext: bytes, *, iv: bytes) -> bytes:
        """BRC-2 encryption towards the counterparty; `iv` is 32 random bytes."""
        ...


class Plaintext(Protocol):
    """Plaintext whose beginning is at hand, piece by piece. To be closed."""

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> bytes:
        """The next piece. Raises UnreachableError where it is not to be had any more."""
        ...

    async def aclose(self) -> None:
        """Nothing more is wanted."""
        ...


class Contents(Protocol):
    """The bytes that records describe, live or sold earlier (`content.serving.Library`)."""

    async def known(self, document: RecordDocument) -> KnownContent | None:
        """Plaintext hash, size, parts and content key; None for a record without content.

        Raises StateError where this machine cannot open what is sealed, or the document is not as its producer makes them.
        """
        ...

    async def read(self, content: KnownContent, start: int, stop: int) -> Plaintext:
        """The plaintext from `start` up to `stop` (bytes), once its beginning is at hand; verified before it is given out.

        Raises UnreachableError where no storage host gives what is needed, RefusedError (code 404) where that is too large to be
        passed on. Nothing was given out then.
        """
        ...


@dataclass(frozen=True, slots=True)
class Bought:
    """What a receipt was given for."""

    record: RecordId
    document_hash: Digest
    """Of the version that was sold."""
    buyer: IdentityKey


class Allowances(Protocol):
    """What receipts still allow, counted in the database: the same for all processes (`gateway.allowances`)."""

    async def bought(self, receipt: Digest) -> Bought | None:
        """What a receipt is for; None where there is none by that id."""
        ...

    async def check(self, receipt: Digest) -> None:
        """Raises RefusedError (code 403) where it was revoked or has ended."""
        ...

    async def take(self, receipt: Digest, *, downloads: int, size: int) -> None:
        """Count so many downloads and bytes, all or none. Raises RefusedError (code 403) as `check`, and where it allows fewer."""
        ...

    async def put_back(self, receipt: Digest, size: int) -> None:
        """Bytes that were taken and not sent."""
        ...


class Giving(Protocol):
    """How plaintext is given for a receipt, and counted (`gateway.delivery.Delivery`).

    Both raise RefusedError (code 403) where the receipt was revoked, has ended, or its allowance is used up, and what
    `Contents` raises; nothing is counted then.
    """

    async def answer(self, request: Request, receipt: Digest) -> Response:
        """The answer to a GET or HEAD that a receipt pays for, ranges and validators included."""
        ...

    async def whole(self, receipt: Digest) -> bytes:
        """All of the plaintext of small content."""
        ...


class DirectSale(Protocol):
    """A way of buying small content by asking for it; whoever sells it, gives it.

    BRC-105 is for requests that are authenticated, BRC-121 for those that are not.
    """

    async def sell(self, request: Request, record: RecordId, giving: Giving) -> Response:
        """The answer to a request for content that brings no grant: what is to be paid, or what was paid for.

        `record` is a live dataset that is sold and small.
        """
        ...
