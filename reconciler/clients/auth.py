"""BRC-103/104 from the client's side, twice: as our own door to the network, and for users of plain httpx."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.parse import quote

import httpx

from reconciler.model.errors import UnreachableError, VerificationError
from reconciler.model.ids import IdentityKey
from reconciler.wire.certificate import Shown
from reconciler.wire.conversation import Call, Holder, Peer, Signer
from reconciler.wire.handshake import Wanted
from reconciler.wire.http import ANSWER, Http, Reply

T = TypeVar("T")

_TOLD_SECONDS: Final = 2.0
"""How long an answer is waited for that nobody needs."""
_PLAIN: Final = "/%:@!$&()*+,;=?"
"""What, beside letters, digits and -._~, means the same to httpx and to the URLs of browsers and Node."""
_OURS: Final = frozenset({"content-type", "authorization"})
_WRITTEN: Final = frozenset({"content-length", "transfer-encoding"})
"""Headers that httpx writes anew with a body."""


@dataclass(slots=True)
class _Origin:
    """An origin, and a turn for whoever shakes hands first."""

    peer: Peer
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class AuthenticatedHttp:
    """Satisfies wire.http.Http: every request is signed, every answer's signature was verified.

    `servers` pins identities by origin; others are kept to once they were seen. Servers must show the certificates that are
    `wanted`, and are shown those of `holder` that they ask for. Raises, besides what Http does,
    VerificationError where an answer is not signed by the server, and RefusedError where it does not let us in.
    """

    def __init__(
        self,
        http: Http,
        keys: Signer,
        *,
        servers: Mapping[str, IdentityKey] | None = None,
        wanted: Wanted | None = None,
        holder: Holder | None = None,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._http = http
        self._keys = keys
        self._wanted = wanted
        self._holder = holder
        self._servers = dict(servers or {})
        self._randomness = randomness
        self._origins: dict[str, _Origin] = {}

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterable[bytes] | None = None,
        within: float = 10.0,
        limit: int = ANSWER,
    ) -> Reply:
        """See wire.http.Http.request. A body is read whole, to be signed."""
        origin, target = _split(httpx.URL(url))
        body = content if isinstance(content, bytes) else await _joined(content)
        call = Call(method=method, target=target, headers=dict(headers or {}), body=body)
        known = self._origin(origin)

        async def ask(call: Call) -> Reply | None:
            try:
                return await self._http.request(
                    call.method,
                    f"{origin}{call.target}",
                    headers=call.headers,
                    content=call.body or None,
                    within=_TOLD_SECONDS if call.is_told else within,
                    limit=limit,
                )
            except UnreachableError:
                if call.is_told:
                    return None
                raise

        async with known.turn:
            if known.peer.session is None:
                await _drive(known.peer.shake_hands(), ask)
        return await _drive(known.peer.exchange(call), ask)

    @asynccontextmanager
    async def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, within: float = 10.0
    ) -> AsyncIterator[_Whole]:
        """See wire.http.Http.stream. Nothing is given out before all of it was verified: the body is held in memory."""
        yield _Whole(await self.request("GET", url, headers=headers, within=within))

    def shown_at(self, url: str) -> Sequence[Shown]:
        """The certificates that the server has shown."""
        return self._origin(_split(httpx.URL(url))[0]).peer.shown

    def identity_at(self, url: str) -> IdentityKey | None:
        """Who serves there, as far as that is known."""
        return self._origin(_split(httpx.URL(url))[0]).peer.server

    def _origin(self, origin: str) -> _Origin:
        if origin not in self._origins:
            peer = Peer(
                self._keys,
                randomness=self._randomness,
                server=self._servers.get(origin),
                wanted=self._wanted,
                holder=self._holder,
            )
            self._origins[origin] = _Origin(peer)
        return self._origins[origin]


class BrcAuth(httpx.Auth):
    """`httpx.Client(auth=BrcAuth(keys))`, or an AsyncClient: BRC-103/104 for every request of a client of httpx.

    The client must not follow redirects, which is httpx's default: what is signed for one server is nobody else's to see. An
    answer that came by one is refused. It shows no certificates. Raises as AuthenticatedHttp does.
    """

    requires_request_body = True
    requires_response_body = True

    def __init__(
        self,
        keys: Signer,
        *,
        servers: Mapping[str, IdentityKey] | None = None,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._keys = keys
        self._servers = dict(servers or {})
        self._randomness = randomness
        self._peers: dict[str, Peer] = {}

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See httpx.Auth."""
        origin, target = _split(request.url)
        if origin not in self._peers:
            server = self._servers.get(origin)
            self._peers[origin] = Peer(self._keys, randomness=self._randomness, server=server)
        signed = {name: value for name, value in request.headers.items() if _is_ours(name)}
        conversation = self._peers[origin].exchange(
            Call(method=request.method, target=target, headers=signed, body=request.content)
        )
        call = next(conversation)
        while True:
            response = yield _request(request, call)
            if any(earlier.has_redirect_location for earlier in response.history):
                raise VerificationError("a signed request was redirected", where=str(request.url))
            try:
                call = conversation.send(_reply(response))
            except StopIteration:  # the conversation is over; its result is the last response, which httpx has
                return


@dataclass(frozen=True, slots=True)
class _Whole:
    """A verified answer that passes for one that streams."""

    reply: Reply

    @property
    def status(self) -> int:
        """See wire.http.Streamed."""
        return self.reply.status

    @property
    def headers(self) -> Mapping[str, str]:
        """See wire.http.Streamed."""
        return self.reply.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """See wire.http.Streamed."""
        yield self.reply.body


def _is_ours(name: str) -> bool:
    """Whether a header of a request goes into the conversation; httpx adds the others by itself."""
    return name in _OURS or name.startswith("x-bsv-")


def _request(original: httpx.Request, call: Call) -> httpx.Request:
    """What httpx is to send: the user's request with the conversation's headers, or a handshake of its own."""
    kept = {name: value for name, value in original.headers.items() if name not in _WRITTEN and not _is_ours(name)}
    return httpx.Request(
        call.method,
        f"{_split(original.url)[0]}{call.target}",
        headers={**kept, **call.headers},
        content=call.body or None,
        extensions=original.extensions,
    )


def _reply(response: httpx.Response) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(str(response.url), response.status_code, headers, response.content)


def _split(url: httpx.URL) -> tuple[str, str]:
    """Origin, and path with query as they are to be sent: so that no reader finds anything left to escape, and signs that."""
    return f"{url.scheme}://{url.netloc.decode('ascii')}", quote(url.raw_path, safe=_PLAIN)


async def _joined(content: AsyncIterable[bytes] | None) -> bytes:
    return b"" if content is None else b"".join([chunk async for chunk in content])


async def _drive(conversation: Generator[Call, Reply | None, T], ask: Callable[[Call], Awaitable[Reply | None]]) -> T:
    """Answer what a conversation asks, until it is over."""
    call = next(conversation)
    while True:
        try:
            call = conversation.send(await ask(call))
        except StopIteration as end:
            result: T = end.value
            return result
