"""The one door to the network: httpx, with worlds that live in this process mounted under their own host names."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from reconciler.model.errors import UnreachableError
from reconciler.wire.http import Reply


class HttpClient:
    """Satisfies wire.http.Http.

    `apps` maps origins such as `http://public.embedded` to ASGI apps that are called in-process: the same bytes go through
    the same code as over TCP.
    """

    def __init__(self, *, apps: Mapping[str, Any] | None = None) -> None:
        self._worlds = _Worlds()
        for origin, app in (apps or {}).items():
            self.mount(origin, app)
        self._client = httpx.AsyncClient(transport=self._worlds, follow_redirects=False, trust_env=False)

    def mount(self, origin: str, app: Any) -> None:
        """Have an ASGI app answer for an origin."""
        self._worlds.mounted[httpx.URL(origin).netloc] = httpx.ASGITransport(app=app)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterable[bytes] | None = None,
        within: float = 10.0,
        limit: int = 64 * 1024 * 1024,
    ) -> Reply:
        """See wire.http.Http.request."""
        with _translated(url):
            request = self._client.build_request(
                method, url, headers=dict(headers or {}), content=content, timeout=within
            )
            response = await self._client.send(request, stream=True)
            try:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > limit:
                        raise UnreachableError(f"{url} answered more than {limit} bytes", where=url)
            finally:
                await response.aclose()
        return Reply(url, response.status_code, _lower(response.headers), bytes(body))

    @asynccontextmanager
    async def stream(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        within: float = 10.0,
    ) -> AsyncIterator[_Streamed]:
        """See wire.http.Http.stream."""
        with _translated(url):
            request = self._client.build_request("GET", url, headers=dict(headers or {}), timeout=within)
            response = await self._client.send(request, stream=True)
        try:
            yield _Streamed(response, url)
        finally:
            await response.aclose()


class _Worlds(httpx.AsyncBaseTransport):
    """Requests to mounted origins go to their app, all others to the network."""

    def __init__(self) -> None:
        self.mounted: dict[bytes, httpx.ASGITransport] = {}
        self._network = httpx.AsyncHTTPTransport(
            trust_env=False, limits=httpx.Limits(max_connections=64, max_keepalive_connections=32)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        mounted = self.mounted.get(request.url.netloc)
        return await (mounted or self._network).handle_async_request(request)

    async def aclose(self) -> None:
        await self._network.aclose()


class _Streamed:
    """Satisfies wire.http.Streamed."""

    def __init__(self, response: httpx.Response, url: str) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = _lower(response.headers)
        self._response = response
        self._url = url

    async def chunks(self) -> AsyncIterator[bytes]:
        """See wire.http.Streamed.chunks."""
        with _translated(self._url):
            async for chunk in self._response.aiter_bytes():
                yield chunk


def _lower(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Where httpx's exceptions become ours."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise UnreachableError(f"{url} did not answer in time", where=url) from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise UnreachableError(
            f"{url} could not be reached: {str(error) or type(error).__name__}", where=url
        ) from error
