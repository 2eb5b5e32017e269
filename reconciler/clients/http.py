"""The one door to the network: httpx, with worlds that live in this process mounted under their own host names.

Whoever answers may be anybody. So an answer has a limit in bytes and one in seconds, both for the whole of it; it comes as it
is, not compressed, since a few bytes could unfold to any number; redirects are answers like any other; and what strangers name
is asked for through a door that leads to no private network.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, Final, Self

import httpx

from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.wire.http import ANSWER, Reply, bare
from reconciler.wire.uris import is_public_address

_SLOWEST: Final = 16 * 1024
"""Bytes a second below which a stream is a drip."""

_DEFAULTS: Final = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "overlay-reconciler"}


class HttpClient:
    """Satisfies wire.http.Http.

    `apps` maps origins such as `http://public.embedded` to ASGI apps that are called in-process: the same bytes go through
    the same code as over TCP. With `public_only`, connections are made to public addresses alone, whatever a name resolves to:
    a door for URLs that strangers have set. Nothing is sent before that is known. `patience` is what every answer is given
    at least, in seconds, however few the caller would give.
    """

    def __init__(
        self, *, apps: Mapping[str, Any] | None = None, public_only: bool = False, patience: float = 0.0
    ) -> None:
        self._worlds = _Worlds()
        self._patience = patience
        for origin, app in (apps or {}).items():
            self.mount(origin, app)
        self._extensions: dict[str, Any] = {"trace": _refuse_private} if public_only else {}

    def mount(self, origin: str, app: Any) -> None:
        """Have an ASGI app answer for an origin."""
        self._worlds.mounted[httpx.URL(origin).netloc] = httpx.ASGITransport(app=app)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._worlds.aclose()

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
        """See wire.http.Http.request."""
        within = max(within, self._patience)
        with _translated(url):
            async with asyncio.timeout(within) as deadline:
                sent = content if content is None or isinstance(content, bytes) else _timed(content, deadline, within)
                response = await self._send(method, url, headers=headers, content=sent, within=within)
                try:
                    body = await _whole(response, url, limit)
                finally:
                    await response.aclose()
        return Reply(url, response.status_code, _lower(response.headers), body)

    @asynccontextmanager
    async def stream(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        within: float = 10.0,
    ) -> AsyncIterator[_Streamed]:
        """See wire.http.Http.stream."""
        within = max(within, self._patience)
        with _translated(url):
            async with asyncio.timeout(within):
                response = await self._send("GET", url, headers=headers, content=None, within=within)
        try:
            yield _Streamed(response, url, within)
        finally:
            await response.aclose()

    async def _send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None,
        content: bytes | AsyncIterable[bytes] | None,
        within: float,
    ) -> httpx.Response:
        """The answer's head; its body is still to be read, and is not encoded."""
        # Reaching it, and TLS, have half the time each: both end by themselves, and close the connection, before our deadline
        # cancels them, which does not.
        timeout = httpx.Timeout(within, connect=within / 2).as_dict()
        # httpx's client would add cookies, redirects and credentials, none of which is wanted, and half of what a request costs
        request = httpx.Request(
            method,
            url,
            headers=_headers(headers or {}),
            content=content,
            extensions={"timeout": timeout, **self._extensions},
        )
        response = await self._worlds.handle_async_request(request)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise UnreachableError(f"{bare(url)} answers in an encoding that it was asked not to use", where=bare(url))
        return response


def _headers(own: Mapping[str, str]) -> httpx.Headers:
    """Those of a request, over what all have, in whatever case they are written."""
    headers = httpx.Headers(_DEFAULTS)
    headers.update(own)
    return headers


class _Worlds(httpx.AsyncBaseTransport):
    """Requests to mounted origins go to their app, all others to the network."""

    def __init__(self) -> None:
        self.mounted: dict[bytes, httpx.ASGITransport] = {}
        # Few that are idle: each request looks at all of them before it takes one.
        self._network = httpx.AsyncHTTPTransport(
            trust_env=False, limits=httpx.Limits(max_connections=64, max_keepalive_connections=8)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        mounted = self.mounted.get(request.url.netloc)
        return await (mounted or self._network).handle_async_request(request)

    async def aclose(self) -> None:
        await self._network.aclose()


class _Streamed:
    """Satisfies wire.http.Streamed."""

    def __init__(self, response: httpx.Response, url: str, within: float) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = _lower(response.headers)
        self._response = response
        self._url = url
        self._within = within

    async def chunks(self) -> AsyncIterator[bytes]:
        """See wire.http.Streamed.chunks. Time that the caller takes between two pieces is not counted."""
        pieces, now = self._response.aiter_raw(), asyncio.get_running_loop().time
        left = self._within
        while True:
            begun = now()
            with _translated(self._url):
                async with asyncio.timeout(min(left, self._within)):
                    chunk = await anext(pieces, None)
            if chunk is None:
                return
            left += len(chunk) / _SLOWEST - (now() - begun)
            yield chunk


async def _whole(response: httpx.Response, url: str, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit:
            raise UnreachableError(f"{bare(url)} answered more than {limit} bytes", where=bare(url))
    return bytes(body)


async def _timed(content: AsyncIterable[bytes], deadline: asyncio.Timeout, within: float) -> AsyncIterator[bytes]:
    """The chunks, each with its own deadline while it is sent. Time that it takes to make one is not the other side's."""
    now = asyncio.get_running_loop().time
    deadline.reschedule(None)
    async for chunk in content:
        deadline.reschedule(now() + within)
        yield chunk
        deadline.reschedule(None)
    deadline.reschedule(now() + within)


async def _refuse_private(event: str, information: Mapping[str, Any]) -> None:
    """Look at a connection that httpcore has just made, before a byte is sent, and at where it really leads."""
    if event != "connection.connect_tcp.complete":
        return
    stream = information["return_value"]
    host, *_ = stream.get_extra_info("server_addr")
    if not is_public_address(host):
        await stream.aclose()
        raise RefusedError("the address is of a private network, and a stranger has named it", where=host)


def _lower(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Where httpx's exceptions become ours."""
    try:
        yield
    except (httpx.TimeoutException, TimeoutError) as error:
        raise UnreachableError(f"{bare(url)} did not answer in time", where=bare(url)) from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise UnreachableError(
            f"{bare(url)} could not be reached: {str(error) or type(error).__name__}", where=bare(url)
        ) from error
