"""Speaking to a storage host (WIRE §4.3): quote, upload, renew, find, list, download. What it answers is checked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from hashlib import sha256 as new_sha256
from typing import Final, Protocol
from urllib.parse import urlencode, urlsplit

from reconciler.clients.payment import NoPayer, PayingHttp, charge_of
from reconciler.model.amounts import Satoshis, satoshis
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import Digest, IdentityKey
from reconciler.model.json import Json, JsonObject
from reconciler.wire.http import Http, Reply, checked, object_of
from reconciler.wire.payment import Charge, PaymentError, PaymentHeader
from reconciler.wire.storage import Leave, StorageAct, StorageWish
from reconciler.wire.uhrp import UhrpToken, digest_of, url_of

_JSON: Final = {"content-type": "application/json"}
_UPLOAD_SECONDS: Final = 60.0
"""Without a byte moving; the host answers once the content is advertised."""

_ANSWER: Final = 1024 * 1024
_NUMBERS: Final = range(2**53)
"""Sizes and times that JSON can say and databases hold."""

_PAGE: Final = 1000
"""Entries of one /list."""
_MOST: Final = 1000
"""Pages that are read."""

_PAYMENT_REQUIRED: Final = 402
_MISSING: Final = 404
_BROKEN: Final = 500
_UNAVAILABLE: Final = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """What a host says about content of ours that it keeps."""

    name: str
    """Path below the host's origin."""
    size: int
    media_type: str
    expires: int
    """Unix seconds."""


class SignedHttp(Http, Protocol):
    """A door through which requests go signed (clients.auth.AuthenticatedHttp)."""

    def identity_at(self, url: str) -> IdentityKey | None:
        """Who answers there, as far as that is known."""
        ...


class PendingError(UnreachableError):
    """A host was given a payment and cannot say yet: the network does not know it."""


class StorageClient:
    """One storage host, at `url` (an origin). Raises RefusedError for its 4xx, UnreachableError where it fails or talks nonsense."""

    def __init__(
        self, http: Http, url: str, *, signed: SignedHttp | None = None, strangers: Http | None = None
    ) -> None:
        """`signed` tells the host who we are (BRC-104): what one brings, finds and lists is one's own. Without, it only quotes.

        `strangers` is the door to where the host sends us with the bytes, if that is not the host itself; without, it may not.
        """
        self._http = http
        self._strangers = strangers
        self._signed: Http = signed or http
        self._identity_at = (lambda _: None) if signed is None else signed.identity_at
        self.url = url.rstrip("/")

    async def quote(self, size: int, minutes: int) -> Satoshis:
        """What keeping so many bytes for so many minutes costs."""
        reply = await self._post(self._http, "/quote", {"fileSize": size, "retentionPeriod": minutes})
        answer = object_of(checked(reply))
        try:
            return satoshis(_whole(answer, "quote"))
        except ValueError as error:
            raise self._nonsense(f"a quote that is no amount: {error}") from error

    async def upload(
        self,
        chunks: AsyncIterable[bytes],
        *,
        size: int,
        sha256: Digest,
        minutes: int,
        media_type: str = "application/octet-stream",
    ) -> int:
        """Store `size` bytes where that costs nothing; returns unix seconds until which they are kept. Raises as `bring` does."""
        leave = await self.ask(StorageWish(act=StorageAct.UPLOAD, sha256=sha256, size=size, minutes=minutes))
        if isinstance(leave, Charge):
            raise RefusedError(f"{self.url} asks for {leave.satoshis} satoshis", code="402", where=self.url)
        return await self.bring(leave, chunks, size=size, sha256=sha256, media_type=media_type)

    async def ask(self, wish: StorageWish) -> Leave | Charge:
        """Make a wish, without money: it is granted, or has a price. Raises VerificationError for a price that is none."""
        reply = await self._post(self._signed, wish.path, wish.body)
        if reply.status != _PAYMENT_REQUIRED:
            return self._granted(wish, reply)
        return charge_of(reply.headers)

    async def pay(self, wish: StorageWish, payment: PaymentHeader) -> Leave:
        """Make a wish with the one payment that was made for it, perhaps again.

        Raises PendingError where the host has the payment and waits for the network, RefusedError where it does not take it.
        """
        paying = PayingHttp(self._signed, NoPayer(), cap=Satoshis(0), patience=0)
        reply = await paying.request(
            "POST", self.url + wish.path, headers=_JSON, content=_compact(wish.body), limit=_ANSWER, payment=payment
        )
        if reply.status == _UNAVAILABLE and _code(reply) == PaymentError.PENDING:
            raise PendingError(f"{self.url} has the payment, and waits until the network knows it", where=self.url)
        return self._granted(wish, reply)

    async def bring(
        self,
        leave: Leave,
        chunks: AsyncIterable[bytes],
        *,
        size: int,
        sha256: Digest,
        media_type: str = "application/octet-stream",
    ) -> int:
        """Bring the bytes of an upload that was granted; returns unix seconds until which they are kept.

        Raises VerificationError where the bytes read from `chunks` do not hash to `sha256`; the host then has others.
        """
        read = _Counted(chunks)
        reply = await self._door(leave.url or "").request(
            "PUT",
            leave.url or "",
            headers={**leave.headers, "content-type": media_type, "content-length": str(size)},
            content=read.chunks(),
            within=_UPLOAD_SECONDS,
            limit=_ANSWER,
        )
        if read.sha256 != sha256 and read.complete:
            raise VerificationError(f"content that should hash to {sha256} hashes to {read.sha256}")
        return await self._stored(checked(reply), sha256)

    async def find(self, sha256: Digest) -> KeptFile | None:
        """What the host keeps of ours under this hash; None where that is nothing."""
        query = urlencode({"uhrpUrl": url_of(sha256)})
        reply = await self._signed.request("GET", f"{self.url}/find?{query}", limit=_ANSWER)
        if reply.status == _MISSING or await self._fails_for_lack(reply, sha256):
            return None
        data = object_of(checked(reply)).get("data")
        if not isinstance(data, Mapping):
            raise self._nonsense("no data about a file")
        name, media_type = data.get("name"), data.get("mimeType")
        return KeptFile(
            name=name if isinstance(name, str) else "",
            size=_number(data, "size", self.url),
            media_type=media_type if isinstance(media_type, str) else "",
            expires=_number(data, "expiryTime", self.url),
        )

    async def kept_until(self, content: Digest) -> int | None:
        """Unix seconds until which the host keeps these bytes for us; None where it does not have them."""
        found = await self.find(content)
        return None if found is None else found.expires

    async def listing(self) -> dict[Digest, int]:
        """Everything that the host keeps of ours: SHA-256 to expiry (unix seconds), the latest one."""
        kept: dict[Digest, int] = {}
        for skip in range(0, _PAGE * _MOST, _PAGE):
            page = await self._page(skip)
            known = len(kept)
            for upload in page:
                sha256, expires = self._listed(upload)
                kept[sha256] = max(expires, kept.get(sha256, 0))
            if len(page) < _PAGE:  # the reference pays no heed to pages, and lists 200 at most
                return kept
            if len(kept) == known:
                break
        raise self._nonsense("a listing without an end")

    async def _page(self, skip: int) -> list[Json]:
        answer = object_of(await self._get(f"/list?{urlencode({'limit': _PAGE, 'offset': skip})}"))
        uploads = answer.get("uploads")
        if not isinstance(uploads, list) or len(uploads) > _PAGE:
            raise self._nonsense("no list of uploads")
        return uploads

    async def _fails_for_lack(self, reply: Reply, sha256: Digest) -> bool:
        """Whether this is the reference's 500, by which it says "nothing" as well as "broken"; its list tells which."""
        return reply.status == _BROKEN and _code(reply) == "ERR_FIND" and sha256 not in await self.listing()

    async def keeps(self, token: UhrpToken) -> bool:
        """Whether a UHRP token is this host's own, and what it promises is there to be had.

        Who the host is, it has shown once it has answered us. A host that does not answer now keeps nothing that is known of.
        """
        if token.host != self._identity_at(self.url) or not token.url.startswith(f"{self.url}/"):
            return False
        try:
            reply = await self._http.request("HEAD", token.url)
        except UnreachableError:
            return False
        return reply.ok and reply.headers.get("content-length") == str(token.size)

    async def download(self, sha256: Digest, *, size: int, url: str | None = None) -> AsyncIterator[bytes]:
        """The bytes with this hash, chunk by chunk, from `url` or where the host says that it keeps them.

        Only when the iteration ends without an error are the bytes the right ones. Raises VerificationError.
        """
        if url is None:
            found = await self.find(sha256)
            if found is None:
                raise RefusedError(f"{self.url} keeps nothing with the hash {sha256}", code="404", where=self.url)
            url = f"{self.url}/{found.name.lstrip('/')}"
        digest, count = new_sha256(), 0
        async with self._http.stream(url) as streamed:
            if streamed.status != 200:
                checked(Reply(url, streamed.status, streamed.headers, b""))
                raise self._nonsense(f"HTTP {streamed.status} to a download")
            async for chunk in streamed.chunks():
                count += len(chunk)
                if count > size:
                    raise VerificationError(f"{url} gives more than {size} bytes", where=url)
                digest.update(chunk)
                yield chunk
        if count != size or digest.hexdigest() != sha256:
            raise VerificationError(f"{url} gives other content than {sha256}", where=url)

    def _granted(self, wish: StorageWish, reply: Reply) -> Leave:
        answer = object_of(checked(reply))
        if wish.act is StorageAct.RENEW:
            return Leave(until=_number(answer, "newExpiryTime", self.url))
        return Leave(url=self._upload_url(answer), headers=_headers(answer))

    def _upload_url(self, leave: JsonObject) -> str:
        """The host may send us to its bucket, but not to a plain-text stranger."""
        url = leave.get("uploadURL")
        if not isinstance(url, str) or not (self._is_own(url) or url.startswith("https://")):
            raise self._nonsense("no usable upload URL")
        return url

    def _door(self, url: str) -> Http:
        """What leads to a URL that the host has named: nobody else has."""
        if self._is_own(url):
            return self._http
        if self._strangers is None:
            raise self._nonsense("an upload URL that is not its own")
        return self._strangers

    def _is_own(self, url: str) -> bool:
        return _origin(url) == _origin(self.url)

    async def _stored(self, reply: Reply, sha256: Digest) -> int:
        """A host of ours names what it has stored; one that does not is asked what it keeps."""
        match _json(reply):
            case {"uhrpUrl": url, "expiryTime": int(expires)} if expires in _NUMBERS:
                if url != url_of(sha256):
                    raise self._nonsense(f"that it stored {url!r}, not what was sent")
                return expires
        kept = await self.kept_until(sha256)
        if kept is None:
            raise self._nonsense(f"well to an upload, but keeps nothing with the hash {sha256}")
        return kept

    def _listed(self, upload: Json) -> tuple[Digest, int]:
        match upload:
            case {"uhrpUrl": str(url), "expiryTime": int(expires)} if expires in _NUMBERS:
                try:
                    return digest_of(url), expires
                except ValueError as error:
                    raise self._nonsense(f"a listing with a wrong URL: {error}") from error
        raise self._nonsense("a listing with an entry that is none")

    async def _post(self, http: Http, path: str, body: JsonObject) -> Reply:
        return await http.request("POST", self.url + path, headers=_JSON, content=_compact(body), limit=_ANSWER)

    async def _get(self, path: str) -> Reply:
        return checked(await self._signed.request("GET", self.url + path))

    def _nonsense(self, what: str) -> UnreachableError:
        return UnreachableError(f"{self.url} answers {what}", where=self.url)


class _Counted:
    """Chunks on their way out, hashed as they pass."""

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self._chunks = chunks
        self._digest = new_sha256()
        self.complete = False

    @property
    def sha256(self) -> Digest:
        return Digest(self._digest.hexdigest())

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            self._digest.update(chunk)
            yield chunk
        self.complete = True


def _compact(body: JsonObject) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _code(reply: Reply) -> str:
    """The code of an error, as far as it says one."""
    match _json(reply):
        case {"code": str(code)}:
            return code
    return ""


def _json(reply: Reply) -> Json:
    """The body, if it is JSON: a bucket answers an upload with nothing."""
    try:
        return reply.json()
    except UnreachableError:
        return None


def _headers(leave: JsonObject) -> dict[str, str]:
    required = leave.get("requiredHeaders")
    if not isinstance(required, Mapping):
        return {}
    return {name: value for name, value in required.items() if isinstance(value, str)}


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _whole(value: JsonObject, name: str) -> int:
    found = value.get(name)
    if not isinstance(found, int) or isinstance(found, bool):
        raise ValueError(f"{name} is not a whole number")  # noqa: TRY004 - one kind of failure, translated by the caller
    return found


def _number(data: JsonObject, name: str, where: str) -> int:
    """A number, or, as the reference sends sizes, its digits as text; one of its hosts sends the tag that it kept them in."""
    found = data.get(name)
    if isinstance(found, str):
        found = found.removeprefix(f"{name}_")
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 16:
        return int(found)
    if isinstance(found, int) and not isinstance(found, bool) and found in _NUMBERS:
        return found
    raise UnreachableError(f"{where} answers a file without {name}", where=where)
