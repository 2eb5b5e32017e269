"""Signals. Ctrl-C once stops an apply before its next step, twice now; both are safe, the journal sees to that.

A server ends at the first Ctrl-C or SIGTERM, which is how servers are told to, and no failure.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from reconciler.cli.console import Console

T = TypeVar("T")

_STOPS: Final = (signal.SIGINT, signal.SIGTERM)


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


@contextmanager
def graceful(console: Console) -> Iterator[Interrupt]:
    """Listen to Ctrl-C while the block runs in an event loop."""
    asked = Interrupt()
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        if asked() and task is not None:
            console.complain("Stopping now.")
            task.cancel()
            return
        asked.ask()
        console.complain("Interrupt received: finishing the step in flight, then stopping. Again to stop now.")

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield asked
    finally:
        loop.remove_signal_handler(signal.SIGINT)


@contextmanager
def stoppable() -> Iterator[asyncio.Event]:
    """Give an event that Ctrl-C or SIGTERM sets, while the block runs in an event loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in _STOPS:
        loop.add_signal_handler(each, stop.set)
    try:
        yield stop
    finally:
        for each in _STOPS:
            loop.remove_signal_handler(each)
