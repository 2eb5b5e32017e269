"""ASGI apps that are built when they are first spoken to: a command that needs no storage host opens none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

App = Callable[..., Awaitable[None]]
"""What ASGI calls an application; named here, since who builds one later needs no Starlette now."""


class LazyApp:
    """Satisfies ASGI. `build` is awaited once, however many requests come at first."""

    def __init__(self, build: Callable[[], Awaitable[App]]) -> None:
        self._build = build
        self._lock = asyncio.Lock()
        self._app: App | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        app = await self._ready()
        await app(scope, receive, send)

    async def _ready(self) -> App:
        async with self._lock:
            if self._app is None:
                self._app = await self._build()
            return self._app
