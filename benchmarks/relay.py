"""A relay between two programs that speak HTTP/1.1, which counts what goes through: how many requests, how many bytes."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_CHUNK: Final = 1 << 16
_HEAD: Final = 1 << 20
"""Bytes that a request's head may have."""


@dataclass(slots=True)
class Traffic:
    """Requests of one kind, and the bytes of their bodies and of what was answered."""

    requests: int = 0
    sent: int = 0
    received: int = 0


class Relay:
    """Stands in front of one origin. What it has counted is by the first word of the path, such as `lookup`."""

    def __init__(self, origin: str) -> None:
        self._port = urlsplit(origin).port
        self._traffic: defaultdict[str, Traffic] = defaultdict(Traffic)
        self.url = ""

    def taken(self) -> dict[str, Traffic]:
        """What has gone through since this was last asked."""
        taken, self._traffic = self._traffic, defaultdict(Traffic)
        return taken

    async def serve(self, is_ready: threading.Event) -> None:
        """Until cancelled."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=_HEAD)
        self.url = f"http://localhost:{server.sockets[0].getsockname()[1]}"
        is_ready.set()
        async with server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port, limit=_HEAD)
        kind = ["-"]
        answers = asyncio.create_task(self._answers(there, writer, kind))
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._requests(reader, back, kind)
        for each in (back, writer):
            each.close()
        with suppress(ConnectionError):
            await answers

    async def _requests(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, kind: list[str]) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").lower().split("\r\n")
            kind[0] = lines[0].split(" ")[1].lstrip("/").partition("?")[0] or "/"
            length = next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0)
            traffic = self._traffic[kind[0]]
            traffic.requests += 1
            traffic.sent += length
            back.write(head)
            while length:
                chunk = await reader.read(min(length, _CHUNK))
                if not chunk:
                    return
                length -= len(chunk)
                back.write(chunk)
                await back.drain()

    async def _answers(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, kind: list[str]) -> None:
        while chunk := await there.read(_CHUNK):
            self._traffic[kind[0]].received += len(chunk)
            writer.write(chunk)
            await writer.drain()


@contextmanager
def relayed(*origins: str) -> Iterator[tuple[Relay, ...]]:
    """A relay for each origin, in a thread of their own for the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    relays = tuple(Relay(origin) for origin in origins)
    try:
        for relay in relays:
            is_ready = threading.Event()
            asyncio.run_coroutine_threadsafe(relay.serve(is_ready), loop)
            is_ready.wait()
        yield relays
    finally:
        asyncio.run_coroutine_threadsafe(_ended(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _ended() -> None:
    """Cancel everything else that runs here, and wait for its end."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
