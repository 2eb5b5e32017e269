"""HTTP as values: what a client asks for and gets. The shell that speaks TCP, or calls an ASGI app, is clients/http.py."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from reconciler.model.errors import UnreachableError
from reconciler.model.json import Json


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. Header names are lower case."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Json:
        """The body as JSON. Raises UnreachableError: who answers JSON routes with something else is not the host meant."""
        try:
            value: Json = json.loads(self.body)
        except ValueError as error:
            raise UnreachableError(f"{self.url} did not answer JSON (HTTP {self.status})", where=self.url) from error
        return value


class Streamed(Protocol):
    """An answer whose body has not been read yet."""

    status: int
    headers: Mapping[str, str]

    def chunks(self) -> AsyncIterable[bytes]:
        """The body, piece by piece."""
        ...


class Http(Protocol):
    """The door to the network. Never follows redirects; every answer is bounded in size and time."""

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
        """One exchange. `within` is in seconds, `limit` in bytes of answer.

        Raises UnreachableError where there is no whole answer; any status is an answer.
        """
        ...

    def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, within: float = 10.0
    ) -> AbstractAsyncContextManager[Streamed]:
        """GET without holding the body in memory. Raises UnreachableError."""
        ...
