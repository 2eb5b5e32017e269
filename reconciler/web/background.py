"""Work that a server does for as long as it lives, as the lifespan of its ASGI app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, TypeAlias

from starlette.applications import Starlette

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
"""What goes on, and never ends by itself."""

Turns: TypeAlias = Callable[[Work], Coroutine[Any, Any, None]]
"""Does a work for as long as it is this process's turn, and again whenever it is: of several servers one does it at a time."""


async def always(work: Work) -> None:
    """The turns of a server that is alone."""
    await work()


def in_background(*works: Work | None) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """A lifespan during which all of `works` run; None is nothing to do."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with at_work(*(work for work in works if work is not None)):
            yield

    return lifespan


@asynccontextmanager
async def at_work(*works: Work) -> AsyncIterator[None]:
    """All of `works` run during the block, and have ended after it. What one of them dies of is raised at the end."""
    tasks = [asyncio.create_task(work()) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):  # which is what was asked for
                await task
