"""Listening on TCP: uvicorn inside our own event loop, several apps at once, stopped by whoever started it."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from reconciler.model.errors import StateError
from reconciler.web.joining import Protocol
from reconciler.web.lifespans import comes, running

_BACKLOG: Final = 2048
_GRACE: Final = 5
"""Seconds that requests in flight get when the server stops."""

_WILDCARDS: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - recognised, not bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """An app, and where it is to be reached. Port 0 leaves the choice to the system."""

    app: ASGIApp
    host: str
    port: int


@asynccontextmanager
async def serving(doors: Sequence[Door]) -> AsyncIterator[tuple[str, ...]]:
    """Serve while the block runs; gives the URLs, in the order of the doors.

    Every lifespan has started before the first connection is taken, and ends after the last one is closed. Raises StateError
    where a port is in use or a name is not this machine's; then nothing was started.
    """
    async with AsyncExitStack() as stack:
        opened = [(door, stack.enter_context(_opened(door))) for door in doors]
        for door in doors:
            await stack.enter_async_context(running(door.app))
        servers = [_Server(door.app) for door in doors]
        listening = [
            asyncio.create_task(server.serve(sockets=sockets))
            for server, (_, sockets) in zip(servers, opened, strict=True)
        ]
        try:
            for server, task in zip(servers, listening, strict=True):
                await server.ready(task)
            yield tuple(_url(door, sockets) for door, sockets in opened)
        finally:
            for server in servers:
                server.should_exit = True
            await asyncio.gather(*listening)


class _Server(uvicorn.Server):
    """Leaves signals to the command, lifespans to us, and logs nothing but warnings."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Protocol,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE,
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


@contextmanager
def _opened(door: Door) -> Iterator[list[socket.socket]]:
    """A listening socket for each address of a name: `localhost` is two, and clients may try either first."""
    sockets: list[socket.socket] = []
    try:
        for family, address in _addresses(door):
            port = sockets[0].getsockname()[1] if sockets else door.port
            bound = _bound(family, address, port)
            if bound is not None:
                sockets.append(bound)
        if not sockets:
            raise StateError(f"{door.host} is no address of this machine")
        yield sockets
    finally:
        for each in sockets:
            each.close()


def _addresses(door: Door) -> list[tuple[socket.AddressFamily, str]]:
    try:
        found = socket.getaddrinfo(door.host or None, door.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise StateError(f"{door.host} is no address of this machine") from error
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _bound(family: socket.AddressFamily, address: str, port: int) -> socket.socket | None:
    """A socket that listens, or None where this machine does not have the address."""
    bound = None
    try:
        # asyncio switches Nagle's algorithm off where the protocol is named: else every answer waits 40 ms for an acknowledgement
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
        bound.listen(_BACKLOG)
    except OSError as error:
        if bound is not None:
            bound.close()
        if error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
            return None
        raise _refused(error, address, port) from error
    return bound


def _refused(error: OSError, address: str, port: int) -> StateError:
    if error.errno == errno.EADDRINUSE:
        return StateError(
            f"port {port} is in use", where=address, hint="stop whoever listens there, or choose another port"
        )
    return StateError(f"cannot listen on port {port}: {error.strerror}", where=address)


def _url(door: Door, sockets: Sequence[socket.socket]) -> str:
    host = "localhost" if door.host in _WILDCARDS else door.host
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{sockets[0].getsockname()[1]}"
