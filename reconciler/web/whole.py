"""Requests and answers that are signed, and so held in memory: neither is given on before all of it is there."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.responses import Response
from starlette.types import Message, Receive, Scope

LIMIT: Final = 16 * 1024 * 1024
"""Bytes of a signed request, and of a signed answer. What is larger goes by signed URLs."""

_NOTHING: Final = b"{}"


class TooLongError(Exception):
    """The app answers more than is held in memory."""


class Answer:
    """What the app answers, kept until it is whole."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self.complete = False

    @classmethod
    def of(cls, response: Response) -> Answer:
        """One that is whole."""
        answer = cls(len(response.body))
        answer._status, answer._headers, answer._body = (
            response.status_code,
            response.raw_headers,
            bytearray(response.body),
        )
        answer.complete = True
        return answer

    async def take(self, message: Message) -> None:
        """ASGI's send."""
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message.get("headers", ()))
            return
        self._body += message.get("body", b"")
        if len(self._body) > self._limit:
            raise TooLongError
        self.complete = not message.get("more_body", False)

    def finished(self, method: str, prefix: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Status, headers and body to sign: no header that begins with `prefix`, and always a body, where HTTP allows one.

        The reference's client waits for ever for an answer without.
        """
        reserved = prefix.encode()
        headers = [(name.lower(), value) for name, value in self._headers if not name.lower().startswith(reserved)]
        status, body = int(self._status), bytes(self._body)
        if not body and method != "HEAD" and status != HTTPStatus.NOT_MODIFIED:
            status = 200 if status in {204, 205} else status
            body = _NOTHING
            headers = [
                *(each for each in headers if each[0] not in _ABOUT_BODY),
                (b"content-type", b"application/json"),
            ]
            headers.append((b"content-length", b"%d" % len(body)))
        return status, headers, body


_ABOUT_BODY: Final = frozenset({b"content-length", b"content-type"})


def replayed(body: bytes, receive: Receive) -> Receive:
    """ASGI's receive for a body that has been read."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def target(scope: Scope) -> str:
    """Path and query of the request line."""
    query = scope["query_string"].decode("latin-1")
    path = scope["raw_path"].decode("latin-1")
    return f"{path}?{query}" if query else path
