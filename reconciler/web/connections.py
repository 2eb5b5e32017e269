"""A connection of HTTP/1.1 that is not kept for somebody who does not finish asking.

uvicorn has two parsers. httptools is the faster one, by an eighth of a signed request, and leaves to others what h11 sees to
itself: the length of heads and trailers, bodies behind an offer to upgrade, the order of answers, how many requests may wait. So
it is h11.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from reconciler.web.joining import JoinedWrites

HEAD_SECONDS: Final = 20.0
"""For the head of a request: at least that, and less than twice as much. Idle connections uvicorn closes earlier."""


class Protocol(H11Protocol):
    """uvicorn's, with answers that are sent at once."""

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

    def eof_received(self) -> None:
        """See asyncio.Protocol, which closes the transport beneath: what is kept back goes first."""
        self.transport.close()

    def on_response_complete(self) -> None:
        """See uvicorn; from here on there is time for the next head."""
        self._last = None
        super().on_response_complete()

    def _should_upgrade(self) -> bool:
        """See uvicorn. Nothing here speaks another protocol, and who asks for one is no news: uvicorn would log each such request."""
        return False

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
