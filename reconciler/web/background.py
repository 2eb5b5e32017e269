"""Work that a server does for as long as it lives, as the lifespan of its ASGI app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from starlette.applications import Starlette


def in_background(
    work: Callable[[], Coroutine[Any, Any, None]] | None,
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """A lifespan during which `work`, which never ends by itself, runs; with None, one in which nothing happens."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if work is None:
            yield
            return
        task = asyncio.create_task(work())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    return lifespan
