"""Signals. Ctrl-C once stops an apply before its next step, twice now; both are safe, the journal sees to that.

A server ends at the first Ctrl-C or SIGTERM, which is how servers are told to, and no failure; at the second it stops now.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

T = TypeVar("T")

STOPS: Final = (signal.SIGINT, signal.SIGTERM)
"""How whatever runs for long is told to end."""


class Interrupt:
    """Whether the user has asked to stop: call it, or wait for it."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()

    def __call__(self) -> bool:
        """Whether so far."""
        return self._asked.is_set()

    def ask(self) -> None:
        """The user asks."""
        self._asked.set()

    async def wait(self) -> None:
        """Until the user asks."""
        await self._asked.wait()

    async def or_else(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something that may be given up at any moment, such as waiting for an answer. Raises KeyboardInterrupt."""
        working, asked = asyncio.create_task(work), asyncio.create_task(self._asked.wait())
        try:
            await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise KeyboardInterrupt
            return await working
        finally:
            working.cancel()
            asked.cancel()
            await asyncio.gather(working, asked, return_exceptions=True)


@contextmanager
def graceful(say: Callable[[str], object], signals: Sequence[signal.Signals] = (signal.SIGINT,)) -> Iterator[Interrupt]:
    """Listen to Ctrl-C, or to these signals, while the block runs in an event loop; `say` tells that they were heard."""
    asked = Interrupt()
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        if asked() and task is not None:
            say("Stopping now.")
            task.cancel()
            return
        asked.ask()
        say("Interrupt received: finishing the step in flight, then stopping. Again to stop now.")

    for each in signals:
        loop.add_signal_handler(each, interrupt)
    try:
        yield asked
    finally:
        for each in signals:
            loop.remove_signal_handler(each)


@contextmanager
def stoppable() -> Iterator[asyncio.Event]:
    """Give an event that Ctrl-C or SIGTERM sets, while the block runs in an event loop; the next one cancels the block."""
    stop, task = asyncio.Event(), asyncio.current_task()
    loop = asyncio.get_running_loop()

    def heard() -> None:
        if stop.is_set() and task is not None:
            task.cancel()
        stop.set()

    for each in STOPS:
        loop.add_signal_handler(each, heard)
    try:
        yield stop
    finally:
        for each in STOPS:
            loop.remove_signal_handler(each)
