"""Work that a server does for as long as it lives, as the lifespan of its ASGI app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from starlette.applications import Starlette


def in_background(
    *works: Callable[[], Coroutine[Any, Any, None]] | None,
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """A lifespan during which all of `works`, which never end by themselves, run; None is nothing to do."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(work()) for work in works if work is not None]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task

    return lifespan
