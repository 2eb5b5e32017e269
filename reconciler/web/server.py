"""Serving HTTP: uvicorn inside our own event loop, several apps at once, stopped by whoever started it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from reconciler.web.connections import Protocol
from reconciler.web.lifespans import comes, running
from reconciler.web.listening import Listening, listening

GRACE: Final = 35
"""Seconds that requests in flight get when the server stops: a payment that the network does not show yet is held for thirty."""

_IN_ONE_TURN: Final = 1
"""Connections that are taken in one turn of the event loop: the rest are there for other processes, if they share the socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """An app, and where it is to be reached. Port 0 leaves the choice to the system."""

    app: ASGIApp
    host: str = "localhost"
    port: int = 0
    listening: Listening | None = None
    """Where it is listened already, host and port notwithstanding."""


@asynccontextmanager
async def serving(doors: Sequence[Door], *, grace: int = GRACE) -> AsyncIterator[tuple[str, ...]]:
    """Serve while the block runs; gives the URLs, in the order of the doors.

    Every lifespan has started before the first connection is taken, and ends after the last one is closed. When the block
    ends no more connections are taken, and requests in flight get `grace` seconds; who is cancelled meanwhile stops at once.
    Raises StateError where a port is in use or a name is not this machine's; then nothing was started.
    """
    async with AsyncExitStack() as stack:
        places = [each.listening or stack.enter_context(listening(each.host, each.port)) for each in doors]
        for door in doors:
            await stack.enter_async_context(running(door.app))
        servers = [_Server(door.app, grace) for door in doors]
        tasks = [
            asyncio.create_task(server.serve(sockets=list(place.sockets)))
            for server, place in zip(servers, places, strict=True)
        ]
        try:
            for server, task in zip(servers, tasks, strict=True):
                await server.ready(task)
            yield tuple(place.url for place in places)
        finally:
            for server in servers:
                server.should_exit = True
            await asyncio.gather(*tasks)


class _Server(uvicorn.Server):
    """Leaves signals to the command, lifespans to us, and logs nothing but warnings."""

    def __init__(self, app: ASGIApp, grace: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                backlog=_IN_ONE_TURN,
                timeout_graceful_shutdown=grace,
            )
        )
        self._listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn.Server."""
        await super().startup(sockets)
        self._listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See uvicorn.Server, which would have the process killed by the signal that stopped it."""
        yield

    async def ready(self, task: asyncio.Task[None]) -> None:
        """Wait until connections are taken; `task` serves. Raises what it raises."""
        if not await comes(self._listening, task):
            await task
