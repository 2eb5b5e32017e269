"""Sockets that listen on TCP: bound here, or by the process that started this one and shares them among several."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self

from reconciler.model.errors import StateError

_BACKLOG: Final = 2048
"""Connections that wait to be taken; beyond, clients try again."""

_WILDCARDS: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - recognised, not bound


class _Listener(socket.socket):
    """A socket that listens.

    asyncio calls `listen` with the number of connections that it takes in one turn. One at a time leaves the others to the
    processes that share the socket, and the queue stays as long as it is.
    """

    def listen(self, backlog: int = _BACKLOG, /) -> None:
        """Listen, with room for `_BACKLOG` connections whatever is asked."""
        super().listen(max(backlog, _BACKLOG))


@dataclass(frozen=True, slots=True)
class Listening:
    """One place where connections are taken: a socket for each address of its name, and the URL."""

    sockets: tuple[socket.socket, ...]
    url: str

    @classmethod
    def inherited(cls, descriptors: Sequence[int], host: str) -> Self:
        """What a parent has bound, under the name `host`, and passed on by these file descriptors."""
        return cls.of([_Listener(fileno=each) for each in descriptors], host)

    @classmethod
    def of(cls, sockets: Sequence[socket.socket], host: str) -> Self:
        """Sockets that listen at the addresses of a name; the URL has their port."""
        named = "localhost" if host in _WILDCARDS else host
        shown = f"[{named}]" if ":" in named else named
        return cls(tuple(sockets), f"http://{shown}:{sockets[0].getsockname()[1]}")

    def close(self) -> None:
        """Take no more connections here; other processes may go on with the same sockets."""
        for each in self.sockets:
            each.close()


@contextmanager
def listening(host: str, port: int) -> Iterator[Listening]:
    """Listen for the block on every address of a name: `localhost` is two, and clients may try either first.

    Port 0 leaves the choice to the system. Raises StateError where the port is in use, or the name is not this machine's.
    """
    sockets: list[socket.socket] = []
    try:
        for family, address in _addresses(host, port):
            bound = _bound(family, address, sockets[0].getsockname()[1] if sockets else port)
            if bound is not None:
                sockets.append(bound)
        if not sockets:
            raise StateError(f"{host} is no address of this machine")
        yield Listening.of(sockets, host)
    finally:
        for each in sockets:
            each.close()


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise StateError(f"{host} is no address of this machine") from error
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _bound(family: socket.AddressFamily, address: str, port: int) -> socket.socket | None:
    """A socket that listens, or None where this machine does not have the address."""
    bound = None
    try:
        # asyncio switches Nagle's algorithm off where the protocol is named: else every answer waits 40 ms for an acknowledgement
        bound = _Listener(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
        bound.listen()
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
