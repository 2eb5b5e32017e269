"""Servers that mean no good, on sockets of this machine: each does one thing that no client may suffer from."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What a server does with a connection."""

_PAUSE: Final = 0.01
"""Between two bytes of a drip; short of every deadline."""
_NEVER: Final = 3600.0


@asynccontextmanager
async def listening(act: Act) -> AsyncIterator[str]:
    """A server that does so with every connection; its origin."""
    busy: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await act(reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            busy.discard(task)
            writer.transport.abort()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in busy.copy():
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        await server.wait_closed()


async def request_of(reader: asyncio.StreamReader) -> bytes:
    """The head of a request, and its body where its length is stated."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            head += await reader.readexactly(int(line.partition(b":")[2]))
    return head


def saying(answer: bytes) -> Act:
    """Sends these bytes to every request, and closes."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(answer)
        await writer.drain()
        writer.write_eof()
        await reader.read()

    return act


def answering(body: bytes, *, status: str = "200 OK", media_type: str = "application/json", more: str = "") -> Act:
    """Sends a well-formed answer."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {len(body)}\r\n{more}\r\n"
    return saying(head.encode() + body)


def then(head: bytes, piece: bytes, *, pause: float = 0.0) -> Act:
    """Sends a head, and then the same piece for ever."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return act


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads, and says nothing."""
    del writer
    await request_of(reader)
    await asyncio.sleep(_NEVER)


async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads nothing."""
    del reader, writer
    await asyncio.sleep(_NEVER)


async def torn(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Resets the connection in the middle of a body."""
    await request_of(reader)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
    await writer.drain()
    writer.transport.abort()


_OK: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
_BOMB: Final = gzip.compress(bytes(64 * 1024 * 1024), 9)

SLOW: Final[dict[str, Act]] = {
    "silent": silent,
    "deaf": deaf,
    "slow headers": then(b"HTTP/1.1 200 OK\r\nx: ", b"x", pause=_PAUSE),
    "a dripping body": then(_OK + b"content-length: 1000000\r\n\r\n", b" ", pause=_PAUSE),
    "dripping chunks": then(_OK + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n", pause=_PAUSE),
    "a flood of 1xx": then(b"", b"HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n" * 100),
}
"""What lasts until somebody has enough of it."""

ENDLESS: Final[dict[str, Act]] = {
    "an endless body": then(_OK + b"\r\n", bytes(65536)),
    "endless chunks": then(_OK + b"transfer-encoding: chunked\r\n\r\n", b"10000\r\n" + bytes(65536) + b"\r\n"),
    "endless headers": then(b"HTTP/1.1 200 OK\r\n", b"x-more: and more\r\n" * 100),
    "one endless header": then(b"HTTP/1.1 200 OK\r\nx: ", b"x" * 65536),
}
"""What is sent for as long as somebody reads it."""

WRONG: Final[dict[str, Act]] = {
    "an empty body": answering(b""),
    "html": answering(b"<html>", media_type="text/html"),
    "another type than was said": answering(b"\x00\x01\x02", media_type="application/octet-stream"),
    "a huge number": answering(b'{"a": ' + b"9" * 100_000 + b"}"),
    "a number beyond floats": answering(b'{"height": 1e999, "quote": 1e999}'),
    "deep JSON": answering(b"[" * 100_000 + b"]" * 100_000),
    "deep JSON in a refusal": answering(b'{"message":' * 50_000, status="400 Bad Request"),
    "many arrays": answering(b"[" + b"[]," * 2_000_000 + b"[]]"),
    "a key that stands there twice": answering(b'{"height": 1, "height": 2}'),
    "not UTF-8": answering(b'{"a": "\xff\xfe"}'),
    "half a surrogate": answering(b'{"message": "\\ud800", "txid": "\\ud800"}', status="400 Bad Request"),
    "NaN": answering(b'{"quote": NaN, "height": NaN}'),
    "a body that is torn": torn,
    "a body that is too short": saying(_OK + b"content-length: 100\r\n\r\n{}"),
    "a negative length": saying(_OK + b"content-length: -1\r\n\r\n{}"),
    "two lengths": saying(_OK + b"content-length: 2\r\ncontent-length: 4\r\n\r\n{}{}"),
    "a chunk that is none": saying(_OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
    "a gzip bomb": answering(_BOMB, more="content-encoding: gzip\r\n"),
    "a deflated answer": answering(b"x", more="content-encoding: deflate\r\n"),
    "no HTTP": saying(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "nothing": saying(b""),
    "a status that is none": saying(b"HTTP/1.1 abc OK\r\n\r\n"),
    "a status beyond all": saying(b"HTTP/1.1 999 Well\r\ncontent-length: 2\r\n\r\n{}"),
    "NUL in a header": saying(_OK + b"x-a: \x00\r\ncontent-length: 2\r\n\r\n{}"),
    "5xx": answering(b'{"message": "broken"}', status="500 Broken"),
    "switching protocols": saying(b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nxxxx"),
    "no content": saying(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "other JSON": answering(b"[1, null, {}]"),
    "an object": answering(b"{}"),
    "text": answering(b'"text"'),
    "true": answering(b'{"height": true, "time": true, "quote": true, "vout": true, "txid": true, "data": true}'),
    "numbers that no database holds": answering(
        b'{"height": 1'
        + b"0" * 30
        + b', "quote": 1'
        + b"0" * 30
        + b', "data": {"name": "a", "mimeType": "b", "size": 1'
        b"" + b"0" * 30 + b', "expiryTime": 1' + b"0" * 30 + b'}, "uploads": [{"uhrpUrl": "x", "expiryTime": -1}]}'
    ),
}
"""What is over at once, and no answer."""
