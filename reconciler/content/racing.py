"""Several ways to the same thing: one is tried, and the next where it fails or takes its time; the first that gets there counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

from reconciler.model.errors import OverlayError, RefusedError, UnreachableError, VerificationError

_AT_ONCE: Final = 4

T = TypeVar("T")


async def first_of(ways: Sequence[Callable[[], Coroutine[Any, Any, T]]], *, pause: float | None) -> T:
    """What the first way to succeed gives; the others are called off.

    `pause` are the seconds after which one that is not done has another tried beside it, up to four at once; None: it is waited
    for. Raises the first failure where all fail, ValueError where there is no way.
    """
    if not ways:
        raise ValueError("there is no way to try")
    left, failures = [*ways], list[OverlayError]()
    running: set[asyncio.Task[T]] = set()
    try:
        while left or running:
            if left and len(running) < _AT_ONCE:
                running.add(asyncio.create_task(left.pop(0)()))
            patience = pause if left and len(running) < _AT_ONCE else None
            done, running = await asyncio.wait(running, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                try:
                    return task.result()
                except (VerificationError, RefusedError, UnreachableError) as error:
                    failures.append(error)
        raise failures[0]
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
