"""Having what was ordered: its parts from several storage hosts at once, opened with the key that was bought, and verified.

Where no host has a part, the gateway's plaintext stands in for it. Who gives other bytes is told by name, and asked no more.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from reconciler.clients.gateway import GatewayClient
from reconciler.clients.host import HostClient
from reconciler.consumer.cashier import Cashier
from reconciler.consumer.ports import Books
from reconciler.consumer.surroundings import Surroundings
from reconciler.content.fetching import download, piece
from reconciler.content.locating import locate
from reconciler.content.opening import Came, Fault, open_content
from reconciler.model.errors import OverlayError, RefusedError, TransientError, UnreachableError, VerificationError
from reconciler.model.goods import TierId
from reconciler.model.ids import Digest
from reconciler.model.keys import delivery_key
from reconciler.model.order import Order, OrderEvent
from reconciler.wallet.keys import Keys
from reconciler.wire.documents import PublishedContent, RecordDocument, StoredPart, parse_record_document
from reconciler.wire.receipt import Receipt
from reconciler.wire.selling import Access
from reconciler.wire.stream_cipher import key_commitment
from reconciler.wire.uhrp import location_fault

_AT_ONCE: Final = 8
"""Parts that are located at once."""
_MOST_HOSTS: Final = 16
"""Storage hosts that are asked for parts: anybody may promise to keep some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """How far a download is, in stored bytes."""

    order: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """Somebody did not give what was asked of him; `lied`, where he gave other bytes."""

    url: str
    part: int
    reason: str
    lied: bool


Tell: TypeAlias = Callable[[Advance | Blame], None]
"""Whoever is told how a download goes; must not raise."""


def tell_nobody(_: Advance | Blame) -> None:
    """A listener that does not care."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """Content that is here, whole and verified."""

    order: Order
    path: Path
    size: int
    """Bytes of plaintext."""
    media_type: str
    came: Mapping[str, int]
    """Stored bytes by who gave them; what an earlier call had is not among them."""
    blamed: tuple[Blame, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloads:
    """Who downloads."""

    books: Books
    keys: Keys
    surroundings: Surroundings
    cashier: Cashier
    clock: Callable[[], float]

    async def get(self, order: Order, target: Path, *, tell: Tell) -> Got:
        """Fill `target` with the content of an order, going on where an earlier call has ended.

        Raises VerificationError where key, parts or plaintext are not what the document says, RefusedError or UnreachableError
        where a part, or the key, is to be had nowhere, LockedError where another process is at it.
        """
        if isinstance(order.good.sold, TierId):
            raise RefusedError(f"{order.good} has no content to download", where=str(order.good))
        order, access = await self._opened(order)
        document = await self._document(order)
        content = document.content
        if content is None:
            raise RefusedError(f"{order.good} has no content to download", where=str(order.good))
        try:
            key = self._key(order, content)
        except VerificationError:
            if access is not None:
                raise
            access = await self.cashier.access(
                order
            )  # the key is one that was kept: the gateway may know better by now
            order = await self.cashier.received(order, access)
            key = self._key(order, content)
        watched = _Watched(order.id, sum(part.size for part in content.parts), tell)
        await open_content(
            content,
            target,
            key=key,
            sources=await self._keepers(content.parts),
            plain=[_Plain(self.cashier, order, access, self.surroundings.plain_http)],
            resume=True,
            progress=watched.progress,
            tell=watched.tell,
        )
        order = await self.books.move(order, OrderEvent.FINISH)
        return Got(
            order=order,
            path=target,
            size=content.size,
            media_type=content.media_type,
            came=dict(watched.came),
            blamed=tuple(watched.blamed),
        )

    async def _opened(self, order: Order) -> tuple[Order, Access | None]:
        """The order with its key; a gateway that is away need not be asked where that is here."""
        if order.key is not None or not order.price:
            return order, None
        access = await self.cashier.access(order)
        return await self.cashier.received(order, access), access

    async def _document(self, order: Order) -> RecordDocument:
        """The document of the version that was bought; the order says what it hashes to."""
        data = await self.books.document(order.document)
        if data is None:
            data = await self._fetched(order)
            await self.books.keep(data)
        document = parse_record_document(data)
        if document.id != order.good.record:
            raise VerificationError(f"the document of {order.good} is that of {document.id}")
        return document

    async def _fetched(self, order: Order) -> bytes:
        failure: OverlayError = UnreachableError("there is nobody to ask for the document", where=order.document)
        gateway = GatewayClient(self.surroundings.strangers, order.gateway)
        asked: tuple[GatewayClient | HostClient, ...] = (gateway, *self.surroundings.hosts.values())
        for each in asked:
            try:
                return await each.document(order.document)
            except (RefusedError, TransientError) as error:
                failure = error
        raise failure

    def _key(self, order: Order, content: PublishedContent) -> bytes | None:
        """The content key, which the document commits to; None for what is free."""
        if content.key_commitment is None:
            return None
        if order.key is None or order.receipt is None:
            raise VerificationError(f"{order.gateway} gave no key for {order.good}", where=order.gateway)
        receipt = Receipt.from_bytes(order.receipt)
        key = self.keys.decrypt(delivery_key(receipt.id, order.gateway_key), order.key)
        if len(key) != len(content.key_commitment) // 2 or key_commitment(key) != content.key_commitment:
            raise VerificationError(
                f"{order.gateway} gave another key than the one that the document commits to", where=order.gateway
            )
        return key

    async def _keepers(self, parts: Sequence[StoredPart]) -> list[_Keeper]:
        """Who says to keep which parts, by origin; who keeps most of them first."""
        gate = asyncio.Semaphore(_AT_ONCE)
        places: defaultdict[str, dict[Digest, str]] = defaultdict(dict)

        async def find(part: StoredPart) -> None:
            async with gate:
                for token in await locate(
                    part.sha256,
                    lookups=self.surroundings.resolver,
                    now=int(self.clock()),
                    plain_http=self.surroundings.plain_http,
                ):
                    places[_origin(token.url)].setdefault(part.sha256, token.url)

        await asyncio.gather(*map(find, {part.sha256: part for part in parts}.values()))
        keepers = [_Keeper(url, urls, self.surroundings) for url, urls in places.items()]
        return sorted(keepers, key=lambda keeper: (-len(keeper.urls), keeper.url))[:_MOST_HOSTS]


@dataclass(frozen=True, slots=True)
class _Keeper:
    """Satisfies content.opening.PieceSource: one storage host, at all the URLs that its tokens name."""

    url: str
    urls: Mapping[Digest, str]
    surroundings: Surroundings

    def download(self, sha256: Digest, *, size: int) -> AsyncIterator[bytes]:
        """See PartSource."""
        return self._download(sha256, size)

    def piece(self, sha256: Digest, *, size: int, start: int) -> AsyncIterator[bytes]:
        """See PieceSource."""
        return self._piece(sha256, size, start)

    async def _download(self, sha256: Digest, size: int) -> AsyncGenerator[bytes, None]:
        around, at = self.surroundings, self._at(sha256)
        async for chunk in download(around.strangers, at, sha256=sha256, size=size, plain_http=around.plain_http):
            yield chunk

    async def _piece(self, sha256: Digest, size: int, start: int) -> AsyncGenerator[bytes, None]:
        around, at = self.surroundings, self._at(sha256)
        async for chunk in piece(around.strangers, at, size=size, start=start, plain_http=around.plain_http):
            yield chunk

    def _at(self, sha256: Digest) -> str:
        at = self.urls.get(sha256)
        if at is None:
            raise RefusedError(f"{self.url} does not say that it keeps this part", code="404", where=self.url)
        return at


@dataclass(slots=True)
class _Plain:
    """Satisfies content.opening.PlainSource: the gateway, by the URLs that access gives. Access is asked for when it is needed."""

    cashier: Cashier
    order: Order
    access: Access | None
    plain_http: bool

    @property
    def url(self) -> str:
        """See PlainSource."""
        return self.order.gateway

    def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """See PlainSource."""
        return self._read(start, stop)

    async def _read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        self.access = self.access or await self.cashier.access(self.order)
        gateway = self.cashier.gateway(self.order)
        for url in self.access.urls:
            if _origin(url) != self.order.gateway or location_fault(url, plain_http=self.plain_http) is not None:
                continue
            async for chunk in gateway.plaintext(url, start=start, stop=stop):
                yield chunk
            return
        raise RefusedError(f"{self.order.gateway} gives no plaintext", code="404", where=self.order.gateway)


@dataclass(slots=True)
class _Watched:
    """What was heard of one download."""

    order: str
    total: int
    listener: Tell
    came: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    blamed: list[Blame] = field(default_factory=list)

    def progress(self, done: int) -> None:
        """So many stored bytes are here."""
        self.listener(Advance(order=self.order, done=done, total=self.total))

    def tell(self, event: Fault | Came) -> None:
        """A part came, or a source failed."""
        if isinstance(event, Came):
            self.came[event.url] += event.size
            return
        if isinstance(event.error, RefusedError) and event.error.code == "404":
            return  # it never said that it has this part
        blame = Blame(url=event.url, part=event.part, reason=event.error.message, lied=event.lied)
        self.blamed.append(blame)
        self.listener(blame)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
