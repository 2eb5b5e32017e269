"""Speaking to a producer's gateway as one who buys (DESIGN §5). What it answers is read by wire/selling.py, and not believed.

Names keep their slashes in paths. Nothing is signed but by `signed`, a door that authenticates (BRC-103/104).
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Final, TypeVar
from urllib.parse import quote, urlencode, urljoin

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.goods import Good
from reconciler.model.ids import Digest, Txid
from reconciler.model.json import Json, JsonObject
from reconciler.wire import selling
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.http import Http, Reply, checked
from reconciler.wire.selling import (
    Access,
    CatalogPage,
    NativeTemplate,
    Outcome,
    ProducerFacts,
    Quote,
    ReceiptStanding,
)
from reconciler.wire.state_root import Leaf

_JSON: Final = {"content-type": "application/json"}
_PAGES: Final = 2000
"""Of a catalog; one that has more is not believed."""
_HELD: Final = 45.0
"""Seconds: a gateway may hold a payment for 30, and then some."""
_READ: Final = 30.0
"""Seconds without a byte of content."""

T = TypeVar("T")


class GatewayClient:
    """One gateway, at `url` (an origin); `signed` is the same door for requests that say who we are.

    Raises RefusedError for its 4xx (with its own code where it says one), UnreachableError where it fails or talks nonsense.
    """

    def __init__(self, http: Http, url: str, *, signed: Http | None = None) -> None:
        self._http = http
        self.url = url.rstrip("/")
        self._signed = signed or http

    async def producer(self) -> ProducerFacts:
        """Whom it says that it sells for."""
        return self._read(await self._get("/v1/producer"), selling.parse_producer)

    async def catalog(self) -> tuple[Leaf, ...]:
        """All records that it shows, page after page."""
        leaves: list[Leaf] = []
        cursor: str | None = None
        for _ in range(_PAGES):
            query = {"limit": str(selling.MAX_RECORDS)} | ({} if cursor is None else {"cursor": cursor})
            page: CatalogPage = self._read(await self._get(f"/v1/catalog?{urlencode(query)}"), selling.parse_catalog)
            leaves += page.leaves
            cursor = page.next
            if cursor is None:
                return tuple(leaves)
            if not page.leaves:
                break
        raise self._nonsense("a catalog without end")

    async def document(self, digest: Digest) -> bytes:
        """A document by its hash. Raises RefusedError (code 404) where the gateway does not have it."""
        reply = await self._get(f"/v1/documents/{digest}")
        if sha256_hex(reply.body) != digest:
            raise self._nonsense(f"with another document than {digest}")
        return reply.body

    async def quote(self, good: Good) -> Quote:
        """What this buyer is asked for a good."""
        body: JsonObject = {"kind": str(good.sold.kind), "name": good.sold.name, "quantity": good.quantity}
        return self._read(await self._post("/v1/quotes", body), selling.parse_quote)

    def access_url(self, good: Good) -> str:
        """Where access to a good is asked for, and paid for."""
        return f"{self.url}/v1/{good.sold.kind}s/{quote(good.sold.name)}/access"

    @staticmethod
    def access_body(quantity: int) -> bytes:
        """What is asked there."""
        return _compact({"quantity": quantity})

    def access(self, reply: Reply) -> Access:
        """What it answers there. Raises RefusedError for its 4xx."""
        found = self._read(_granted(reply), selling.parse_access)
        return replace(found, urls=tuple(urljoin(f"{self.url}/", url) for url in found.urls))

    async def template(self, quoted: str, good: Good, satoshis: Satoshis) -> NativeTemplate:
        """Which outputs a native payment must have; `quoted` is the id of the quote that names the price."""
        body: JsonObject = {
            "quote": {
                "id": quoted,
                "kind": str(good.sold.kind),
                "name": good.sold.name,
                "quantity": good.quantity,
                "satoshis": satoshis,
            }
        }
        return self._read(await self._post("/v1/payments/templates", body), selling.parse_template)

    async def pay_native(self, template: str, transaction: bytes) -> Outcome:
        """Bring a native payment (Atomic BEEF). The same again is the same answer."""
        body = {"template": template, "transaction": base64.b64encode(transaction).decode()}
        return self._read(await self._post("/v1/payments", body, within=_HELD), selling.parse_paid)

    async def receipt(self, name: Digest) -> ReceiptStanding:
        """How a receipt of ours stands."""
        reply = await self._signed.request("GET", f"{self.url}/v1/receipts/{name}")
        return self._read(_granted(reply), selling.parse_standing)

    async def outcome(self, payment: Txid) -> Outcome:
        """What came of a payment of ours. Raises RefusedError (code 404) where the gateway knows of none."""
        reply = await self._signed.request("GET", f"{self.url}/v1/receipts?txid={payment}")
        return self._read(_granted(reply), selling.parse_receipts)

    async def plaintext(self, url: str, *, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """The bytes of the content from `start` up to, but not with, `stop`, by one of the URLs that access gave.

        Raises VerificationError where more or fewer come.
        """
        left = stop - start
        headers = {"range": f"bytes={start}-{stop - 1}"}
        async with self._http.stream(url, headers=headers, within=_READ) as streamed:
            if streamed.status not in {200, 206} or (streamed.status == 200 and start):
                checked(Reply(url, streamed.status, streamed.headers, b""))
                raise self._nonsense(f"HTTP {streamed.status} to a part of the content")
            async for chunk in streamed.chunks():
                yield chunk[:left]
                left -= len(chunk)
                if left <= 0:
                    break
        if left > 0 or (left < 0 and streamed.status == 206):
            raise VerificationError(f"{self.url} gives other bytes than those that it was asked for", where=self.url)

    async def _get(self, path: str) -> Reply:
        return checked(await self._http.request("GET", self.url + path))

    async def _post(self, path: str, body: JsonObject, *, within: float = 10.0) -> Reply:
        url = self.url + path
        return _granted(await self._signed.request("POST", url, headers=_JSON, content=_compact(body), within=within))

    def _read(self, reply: Reply, parse: Callable[[Json], T]) -> T:
        try:
            return parse(reply.json())
        except VerificationError as error:
            raise self._nonsense(f"nonsense: {error.message}") from error

    def _nonsense(self, what: str) -> UnreachableError:
        return UnreachableError(f"{self.url} answers {what}", where=self.url)


def _granted(reply: Reply) -> Reply:
    """The reply, if it is a good one; a refusal has the code that the gateway gives it, where it gives one."""
    try:
        return checked(reply)
    except RefusedError as error:
        match _json(reply):
            case {"code": str(code)} if len(code) <= 80:
                raise RefusedError(error.message, code=code, where=error.where) from error
        raise


def _json(reply: Reply) -> Json:
    try:
        return reply.json()
    except UnreachableError:  # a refusal need not be JSON
        return None


def _compact(body: JsonObject) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
