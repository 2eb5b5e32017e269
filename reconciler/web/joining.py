"""A transport that sends what is written in one turn of the event loop at once: an answer is one packet, not three.

uvicorn writes head, body and end one by one, and each is a call of the system that wakes the client.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

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
