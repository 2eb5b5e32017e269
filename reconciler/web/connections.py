"""A connection of HTTP/1.1 with a stranger, who may keep us neither waiting nor busy with what nobody has asked him for.

The parser, httptools, is that of Node. It has no limits of its own, and uvicorn adds none: a head is as long as it comes, all
requests that came together wait in memory, and trailers join the headers that were read, and maybe verified, before them.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from reconciler.web.joining import JoinedWrites

HEAD_SECONDS: Final = 20.0
"""For the head of a request: at least that, and less than twice as much. Idle connections uvicorn closes earlier."""

HEAD_BYTES: Final = 64 * 1024
"""For the head, or whatever else comes between two pieces of a body; what came with them in one piece may be more."""

_WAITING: Final = 16
"""Requests that may come before the first of them is answered."""


class MalformedError(Exception):
    """What a parser should refuse, and httptools does not. uvicorn answers 400, and closes the connection."""


class Protocol(HttpToolsProtocol):
    """uvicorn's, with those limits, and answers that are sent at once."""

    _patience: asyncio.TimerHandle | None = None
    _last: Any = None
    """The request that was the last one when the connection was looked at."""
    _unread: int = 0
    """Bytes since the last head was whole, or the last piece of a body came."""
    _has_head: bool = False
    _is_over: bool = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own signature
        """See asyncio.Protocol."""
        super().connection_made(JoinedWrites(transport))  # type: ignore[arg-type]  # all of a transport that uvicorn uses
        self._patience = self.loop.call_later(HEAD_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._wait_no_longer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._unread += len(data)
        super().data_received(data)
        if self._unread > HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head is too long.")

    def on_message_begin(self) -> None:
        """See httptools."""
        if len(self.pipeline) >= _WAITING:
            raise MalformedError("too many requests at once")  # they are not answered; those that were taken are
        self._has_head = False
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools, which also brings trailers here: nobody asks for them, and they are none of what was signed."""
        if not self._has_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._unread, self._has_head = 0, True
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() != "1.0"):
            raise MalformedError("one host is to be named (RFC 9112, section 3.2)")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        self._unread = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """See uvicorn; what was asked before is answered first, and nobody takes this for the answer to it."""
        before: Any = self.cycle  # None until the first head was whole
        if before is None or before.response_complete or before.more_body:
            super().send_400_response(msg)
        else:
            self._is_over = True

    def on_response_complete(self) -> None:
        """See uvicorn."""
        super().on_response_complete()
        if self._is_over and self.cycle.response_complete:
            self.transport.close()

    def handle_websocket_upgrade(self) -> None:
        """See uvicorn: from here on the connection is another protocol's."""
        self._wait_no_longer()
        super().handle_websocket_upgrade()

    def _unsupported_upgrade_warning(self) -> None:
        """See uvicorn: whoever offers another protocol is answered in this one, which is no news to anybody."""

    def _look(self) -> None:
        """Close the connection if it has not brought a whole head since it was looked at, and nothing is being answered on it."""
        request: Any = self.cycle  # which uvicorn types as if there was always one
        if request is self._last and (request is None or request.response_complete):
            self.transport.close()
            return
        self._last = request
        self._patience = self.loop.call_later(HEAD_SECONDS, self._look)

    def _wait_no_longer(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
