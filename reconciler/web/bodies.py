"""Reading what a stranger sends: bounded, whole, and JSON only where it is JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.requests import ClientDisconnect, Request

from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.model.json import Json
from reconciler.wire.canonical import parse_json

_DIGITS: Final = 15
"""No length that anyone means has more."""

PATIENCE: Final = 30.0
"""Seconds that a sender may be behind."""

SLOW: Final = "ERR_TIMEOUT"


class Room:
    """For the bodies that a server works on at one time, all of them together."""

    def __init__(self, size: int) -> None:
        self._left = size

    @asynccontextmanager
    async def body(self, request: Request, limit: int) -> AsyncIterator[bytes]:
        """The whole body; it takes room for as long as the block runs. Raises as `read_body`, UnreachableError where it is full.

        Its sender may not be slow (`paced`): the room is for others, too.
        """
        if not _is_announced(request):
            yield b""
            return
        _check_announced(request, limit)
        body = bytearray()
        try:
            async for chunk in paced(chunks(request)):
                if len(body) + len(chunk) > limit:
                    raise _too_long(limit)
                if len(chunk) > self._left:
                    raise UnreachableError("too much is sent at the same time")
                self._left -= len(chunk)
                body += chunk
            yield bytes(body)
        finally:
            self._left += len(body)


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises RefusedError above `limit` bytes (code 413), or as `paced`, UnreachableError where the sender goes away."""
    async with Room(limit).body(request, limit) as body:
        return body


async def chunks(request: Request) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises UnreachableError where the sender goes away before its end."""
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect as error:
        raise UnreachableError("the sender went away before the end of the body") from error


async def paced(
    chunks: AsyncIterator[bytes], *, patience: float | None = None, least: int = 16 * 1024
) -> AsyncIterator[bytes]:
    """The same chunks, from a sender who keeps sending: `least` bytes a second on average, `patience` seconds behind at most.

    Without, it is PATIENCE. Raises RefusedError (code ERR_TIMEOUT) where that is too much for them. So a body of n bytes is waited for no longer than
    patience + n / least seconds; time that the reader takes over a chunk is not the sender's.
    """
    clock = asyncio.get_running_loop().time
    patience = PATIENCE if patience is None else patience
    left = patience
    while True:
        begun = clock()
        try:
            async with asyncio.timeout(left):
                chunk = await anext(chunks, None)
        except TimeoutError as error:
            raise RefusedError(f"the body comes too slowly: {least} bytes a second are the least", code=SLOW) from error
        if chunk is None:
            return
        left = min(left - (clock() - begun) + len(chunk) / least, patience)
        yield chunk


async def read_json(request: Request, limit: int) -> Json:
    """The body as JSON. Raises RefusedError where it is too long, VerificationError where it is none."""
    return parse_json(await read_body(request, limit), "the body")


def _is_announced(request: Request) -> bool:
    """A request that says nothing of a body has none (RFC 9112, section 6.3)."""
    return "content-length" in request.headers or "transfer-encoding" in request.headers


def _check_announced(request: Request, limit: int) -> None:
    announced = request.headers.get("content-length", "0")
    if announced.isascii() and announced.isdigit() and (len(announced) > _DIGITS or int(announced) > limit):
        raise _too_long(limit)


def _too_long(limit: int) -> RefusedError:
    return RefusedError(f"the body is longer than {limit} bytes", code="413")
