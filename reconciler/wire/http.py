"""HTTP as values: what a client asks for and gets. The shell that speaks TCP, or calls an ASGI app, is clients/http.py."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.json import Json
from reconciler.wire.canonical import parse_json

ANSWER: Final = 16 * 1024 * 1024
"""Bytes of an answer that nobody said more about; as much JSON as is read."""

BEEF: Final = 64 * 1024 * 1024
"""Bytes of an answer that brings transactions along."""

_REASON: Final = 300
"""Characters of a server's explanation that are passed on."""

_TRY_AGAIN: Final = frozenset({408, 425, 429})
"""4xx that are no refusal."""


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
            return parse_json(self.body, "the answer")
        except VerificationError as error:
            said = f"{bare(self.url)} did not answer JSON (HTTP {self.status})"
            raise UnreachableError(said, where=bare(self.url)) from error


def checked(reply: Reply) -> Reply:
    """The reply, if it is a good one.

    Raises RefusedError with the server's own words for 4xx, UnreachableError for everything else that is not 2xx.
    """
    if reply.ok:
        return reply
    where = bare(reply.url)
    message = f"{where} answers {reply.status}: {_reason(reply)}"
    if 400 <= reply.status < 500 and reply.status not in _TRY_AGAIN:
        raise RefusedError(message, code=str(reply.status), where=where)
    raise UnreachableError(message, where=where)


def object_of(reply: Reply) -> Mapping[str, Json]:
    """The body as a JSON object. Raises UnreachableError."""
    value = reply.json()
    if not isinstance(value, Mapping):
        raise UnreachableError(f"{bare(reply.url)} did not answer a JSON object", where=bare(reply.url))
    return value


def bare(url: str) -> str:
    """A URL as errors show it: without its query, which may be somebody's leave to do something."""
    return url.partition("?")[0]


class Streamed(Protocol):
    """An answer whose body has not been read yet."""

    @property
    def status(self) -> int:
        """HTTP's."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """By name in lower case."""
        ...

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
        limit: int = ANSWER,
    ) -> Reply:
        """One exchange. `limit` is in bytes of answer.

        `within` is in seconds, from the first byte sent to the last received. Where `content` is sent in chunks, it is for each
        of these, and, from the last one on, for the whole answer.

        Raises UnreachableError where there is no whole answer; any status is an answer. Raises RefusedError where nothing is
        sent to such an address at all.
        """
        ...

    def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, within: float = 10.0
    ) -> AbstractAsyncContextManager[Streamed]:
        """GET without holding the body in memory. Raises UnreachableError, and RefusedError as `request` does.

        `within` is in seconds, for the headers, and for each piece of the body; all of it has to come faster than a drip.
        """
        ...


def _reason(reply: Reply) -> str:
    """The server's explanation in one printable line, whatever it sent. `detail` is a problem document's (RFC 9457)."""
    try:
        value = reply.json()
    except UnreachableError:
        value = None
    names = ("message", "description", "detail", "code")
    texts = [value.get(name) for name in names] if isinstance(value, Mapping) else []
    reason = next((text for text in texts if isinstance(text, str) and text), "no reason given")
    return "".join(character if character.isprintable() else " " for character in reason[:_REASON])
