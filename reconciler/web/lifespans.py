"""ASGI lifespans for apps that no server drives: those inside another app, or behind a door of our own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.types import ASGIApp, Message, Scope

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
