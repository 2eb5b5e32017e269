"""A connection that sends what is written in one turn of the event loop at once: an answer is one packet, not three.

uvicorn writes head, body and end one by one, and each is a call of the system that wakes the client.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS: Final = 20.0
"""For the head of a request: at least that, and less than twice as much. Idle connections uvicorn closes earlier."""

_MOST: Final = 64 * 1024
"""Bytes that are kept back: the connection's own limits, which hold a server that is too fast, see the rest."""


class JoinedWrites:
    """A transport around another one."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._kept: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Send it at the end of this turn, or now if it is much."""
        if not data:
            return
        if len(data) > _MOST:  # to copy it would take longer than one more call of the system
            self._flush()
            self._transport.write(data)
            return
        if not self._kept:
            self._loop.call_soon(self._flush)
        self._kept.append(data)
        self._size += len(data)
        if self._size > _MOST:
            self._flush()

    def close(self) -> None:
        """Send what is kept, and close."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._kept:
            kept, self._kept, self._size = self._kept, [], 0
            self._transport.write(b"".join(kept))


class Protocol(H11Protocol):
    """uvicorn's, over such a connection, which is not kept for somebody who does not finish asking."""

    _patience: asyncio.TimerHandle | None = None
    _last: Any = None
    """The request that was the last one when the connection was looked at."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own signature
        """See asyncio.Protocol."""
        super().connection_made(JoinedWrites(transport))  # type: ignore[arg-type]  # all of a transport that uvicorn uses
        self._patience = self.loop.call_later(HEAD_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._wait_no_longer()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """See uvicorn: from here on the connection is another protocol's."""
        self._wait_no_longer()
        super().handle_websocket_upgrade(event)

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
