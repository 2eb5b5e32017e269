"""GET /v1/datasets/{name}/content: plaintext for a grant, for a payment that comes along, and for nothing where it is free.

Bytes are taken from a receipt's allowance before the first of them leaves, and what did not leave is put back. So downloads at
the same time, in however many processes, get no more together than was bought.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from reconciler.gateway.grants import Seal, parse_grant
from reconciler.gateway.live import Entry, Shelf
from reconciler.gateway.ports import Allowances, Bought, Contents, DirectSale, Plaintext
from reconciler.gateway.recent import Recent
from reconciler.model.errors import OverlayError, RefusedError, StateError, UnreachableError
from reconciler.model.ids import Digest, Kind, RecordId
from reconciler.web.auth import identity_of
from reconciler.web.content import HARMLESS, Selected, is_one_range, selected
from reconciler.web.problems import problem
from reconciler.wire.documents import parse_record_document
from reconciler.wire.sealed_content import KnownContent

SMALL: Final = 8 << 20
"""Bytes up to which content can be bought by asking for it."""

_PRIVATE: Final = "no-store"
_PUBLIC: Final = "no-cache"
_ASK: Final = "POST /v1/datasets/{name}/access gives one"


class Delivery:
    """Satisfies ports.Giving. `shelf` has the documents, of what is live and of what was sold earlier."""

    def __init__(self, *, shelf: Shelf, contents: Contents, allowances: Allowances) -> None:
        self._shelf = shelf
        self._contents = contents
        self._allowances = allowances
        self._bought = Recent[Digest, Bought]()
        self._known = Recent[Digest, KnownContent]()
        self._tasks: set[asyncio.Task[None]] = set()

    async def settled(self) -> None:
        """When all that did not leave has been put back."""
        if self._tasks:  # one that cannot be written is told by the event loop, and keeps no server from ending
            await asyncio.wait(self._tasks)

    async def content(self, document_hash: Digest) -> KnownContent:
        """What a version of a record has. Raises RefusedError (code 404) where that is nothing, StateError as `Contents` does."""
        known = self._known.get(document_hash)
        if known is None:
            data = await self._shelf.document(document_hash)
            if data is None:
                raise StateError(f"the document {document_hash} of what was sold is not in the database")
            known = await self._contents.known(parse_record_document(data))
            if known is None:
                raise RefusedError("this has no content", code="404")
            self._known.put(document_hash, known)
        return known

    async def has(self, document_hash: Digest) -> bool:
        """Whether a version can be had now: satisfies payments.undelivered.Stock."""
        try:
            content = await self.content(document_hash)
            plaintext = await self._contents.read(content, 0, min(1, content.size))
            await plaintext.aclose()
        except (RefusedError, StateError, UnreachableError):  # whatever it is, nobody would be served it now
            return False
        return True

    async def free(self, request: Request, entry: Entry) -> Response:
        """The answer to a GET or HEAD of content that costs nothing."""
        content = await self.content(entry.document_hash)
        found = _selected(request, content, entry.id, _PUBLIC)
        if not found.part:
            return _empty(found)
        return await _sent(await self._read(content, found.part), found, lambda _: None)

    async def answer(self, request: Request, receipt: Digest) -> Response:
        """See ports.Giving."""
        bought = await self._bought_by(receipt)
        content = await self.content(bought.document_hash)
        found = _selected(request, content, bought.record, _PRIVATE)
        if not found.part:
            await self._allowances.check(receipt)
            return _empty(found)
        plaintext = await self._read(content, found.part)
        await self._take(receipt, found.part, plaintext)
        return await _sent(plaintext, found, partial(self._put_back, receipt))

    async def whole(self, receipt: Digest) -> bytes:
        """See ports.Giving."""
        bought = await self._bought_by(receipt)
        content = await self.content(bought.document_hash)
        if content.size > SMALL:
            raise RefusedError(f"more than {SMALL} bytes are given for a grant only", code="403", hint=_ASK)
        plaintext = await self._read(content, range(content.size))
        async with aclosing(plaintext):
            data = b"".join([piece async for piece in plaintext])
        await self._take(receipt, range(content.size), plaintext)
        return data

    async def _bought_by(self, receipt: Digest) -> Bought:
        bought = self._bought.get(receipt)
        if bought is None:
            bought = await self._allowances.bought(receipt)
            if bought is None:
                raise RefusedError("there is no such receipt", code="403")
            self._bought.put(receipt, bought)
        return bought

    async def _read(self, content: KnownContent, part: range) -> Plaintext:
        return await self._contents.read(content, part.start, part.stop)

    async def _take(self, receipt: Digest, part: range, plaintext: Plaintext) -> None:
        """A download is one that begins at the beginning: who resumes, or fetches several ranges, has it counted once."""
        try:
            await self._allowances.take(receipt, downloads=int(part.start == 0), size=len(part))
        except OverlayError:
            await plaintext.aclose()
            raise

    def _put_back(self, receipt: Digest, size: int) -> None:
        """Later, since who goes away has the answer called off."""
        task = asyncio.ensure_future(self._allowances.put_back(receipt, size))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class ContentRoute:
    """The route of a gateway whose grants are sealed by `seal`.

    Small content is sold by `sale` to those who have signed their request, and by `open_sale` to those who have not.
    """

    def __init__(
        self,
        delivery: Delivery,
        *,
        shelf: Shelf,
        seal: Seal,
        clock: Callable[[], float],
        sale: DirectSale | None = None,
        open_sale: DirectSale | None = None,
    ) -> None:
        self._delivery = delivery
        self._shelf = shelf
        self._seal = seal
        self._clock = clock
        self._sale = sale
        self._open_sale = open_sale

    def routes(self) -> list[Route]:
        """What stands under /v1."""
        return [Route("/datasets/{name:path}/content", self.content)]

    async def content(self, request: Request) -> Response:
        """Plaintext, or why not."""
        record = _dataset(request.path_params["name"])
        stated = request.headers.get("range")
        if stated is not None and not is_one_range(stated):
            return problem(416, "one range of bytes is given at a time, such as bytes=0-1023")
        grants = request.query_params.getlist("grant")
        if not grants:
            return await self._without_grant(request, record)
        if len(grants) > 1:
            raise RefusedError("the parameter grant stands there twice")
        grant = parse_grant(grants[0], record, seal=self._seal, now=self._clock())
        return await self._delivery.answer(request, grant.receipt)

    async def _without_grant(self, request: Request, record: RecordId) -> Response:
        live = await self._shelf.live()
        entry = None if live is None else live.by_id.get(record)
        if entry is None:
            raise RefusedError("no dataset of this name is live here", code="404")
        content = await self._delivery.content(entry.document_hash)
        if not content.is_sold:
            return await self._delivery.free(request, entry)
        sale = self._open_sale if identity_of(request) is None else self._sale
        if sale is None or content.size > SMALL:
            raise RefusedError("this content is given for a grant", code="403", hint=_ASK)
        return await sale.sell(request, record, self._delivery)


async def _sent(plaintext: Plaintext, found: Selected, put_back: Callable[[int], None]) -> Response:
    """What is in one piece goes in one piece, and there is nobody to watch whether the client is still there."""
    first = await anext(plaintext)
    if len(first) < len(found.part):
        return _Counted(first, plaintext, found, put_back)
    await plaintext.aclose()
    return Response(first, status_code=found.status, headers=found.headers)


class _Counted(StreamingResponse):
    """Plaintext on its way, which says in the end how much of it never left."""

    def __init__(self, first: bytes, rest: Plaintext, found: Selected, put_back: Callable[[int], None]) -> None:
        super().__init__(self._pieces(first), status_code=found.status, headers=dict(found.headers))
        self._rest = rest
        self._put_back = put_back
        self._left = len(found.part)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._left:
                self._put_back(self._left)
            await self._rest.aclose()

    async def _pieces(self, first: bytes) -> AsyncIterator[bytes]:
        self._left -= len(first)  # given up as soon as it is handed over: who takes most of it goes away with that
        yield first
        async for piece in self._rest:
            self._left -= len(piece)
            yield piece


def _empty(found: Selected) -> Response:
    if found.status == 416:
        return problem(416, "the range begins behind the end", headers=found.headers)
    return Response(status_code=found.status, headers=found.headers)


def _selected(request: Request, content: KnownContent, record: RecordId, caching: str) -> Selected:
    name = record.name.rpartition("/")[2]  # letters, digits, dots, dashes and underscores: nothing to be quoted
    return selected(
        request,
        size=content.size,
        etag=f'"{content.sha256}"',
        media_type=content.published.media_type,
        headers={**HARMLESS, "cache-control": caching, "content-disposition": f'attachment; filename="{name}"'},
    )


def _dataset(name: str) -> RecordId:
    try:
        return RecordId(Kind.DATASET, name)
    except ValueError as error:
        raise RefusedError(str(error), code="404") from error
