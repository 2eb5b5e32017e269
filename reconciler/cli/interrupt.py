"""Ctrl-C: once stops before the next step, twice stops now. Both are safe; the journal sees to that."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reconciler.cli.console import Console


@contextmanager
def graceful(console: Console) -> Iterator[Callable[[], bool]]:
    """Give a function that says whether the user asked to stop, while the block runs in an event loop."""
    asked = False
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        nonlocal asked
        if asked and task is not None:
            console.complain("Stopping now.")
            task.cancel()
            return
        asked = True
        console.complain("Interrupt received: finishing the step in flight, then stopping. Again to stop now.")

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield lambda: asked
    finally:
        loop.remove_signal_handler(signal.SIGINT)
