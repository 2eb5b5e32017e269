"""ASGI lifespans: of apps that no server drives, inside another app or behind a door of our own; and of one for any server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reconciler.model.errors import OverlayError

App: TypeAlias = ASGIApp
"""For those who hand apps on and know no web framework."""

_SCOPE: Final = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}


@asynccontextmanager
async def running(app: ASGIApp) -> AsyncIterator[None]:
    """The block runs between an app's startup and its shutdown. Whatever either raises is raised here."""
    asked, started, stopping = False, asyncio.Event(), asyncio.Event()

    async def receive() -> Message:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "lifespan.startup"}
        await stopping.wait()
        return {"type": "lifespan.shutdown"}

    async def send(message: Message) -> None:
        if message["type"] == "lifespan.startup.complete":
            started.set()

    async def run() -> None:
        scope: Scope = {**_SCOPE, "state": {}}
        await app(scope, receive, send)

    life = asyncio.create_task(run())
    if not await comes(started, life):
        await life
        raise RuntimeError("the app ended its lifespan instead of starting up")
    try:
        yield
    finally:
        stopping.set()
        await life


async def comes(event: asyncio.Event, task: asyncio.Task[None]) -> bool:
    """Wait for an event that only comes while `task` runs; False where the task ended without it."""
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    return event.is_set()


class Opening:
    """An app that any server can drive: it is put together when the server starts, and put away when that ends."""

    def __init__(self, opened: Callable[[], AbstractAsyncContextManager[ASGIApp]]) -> None:
        self._opened = opened
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI. A server without lifespans cannot drive it."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if self._app is None:
            raise RuntimeError("the server has not started the app's lifespan")
        await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        phase = "startup"
        try:
            async with self._opened() as self._app, running(self._app):
                await send({"type": "lifespan.startup.complete"})
                phase = "shutdown"
                await receive()
        except OverlayError as error:  # the server says it, and ends
            said = f"{error}; {error.hint}" if error.hint else str(error)
            await send({"type": f"lifespan.{phase}.failed", "message": said})
            return
        await send({"type": "lifespan.shutdown.complete"})
