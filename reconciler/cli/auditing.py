"""Where a gateway's audit log goes: a file that is only ever added to, or stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from reconciler.gateway.audit import Audit, Event, to_nobody
from reconciler.model.errors import of_system

STDERR: Final = "-"


@asynccontextmanager
async def open_audit(
    place: str | None, *, folder: Path, clock: Callable[[], float], tell: Callable[[str], None]
) -> AsyncIterator[Audit]:
    """The audit for the block. `place` is a file's path, from `folder`, `-` for stderr, or None for nowhere.

    Each event is one write, so that the lines of several processes do not mix. An event that cannot be written is lost: a sale
    does not depend on it. That is told once. Raises StateError where the file cannot be opened.
    """
    if place is None:
        yield to_nobody
        return
    if place == STDERR:
        yield _Lines(sys.stderr.fileno(), clock, tell)
        return
    try:
        file = os.open(folder / place, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise of_system(error) from error
    try:
        yield _Lines(file, clock, tell)
    finally:
        os.close(file)


class _Lines:
    def __init__(self, file: int, clock: Callable[[], float], tell: Callable[[str], None]) -> None:
        self._file = file
        self._clock = clock
        self._tell = tell
        self._told = False

    def __call__(self, event: Event) -> None:
        """Satisfies gateway.audit.Audit."""
        try:
            os.write(self._file, f"{event.line(self._clock())}\n".encode())
        except OSError as error:
            if not self._told:
                self._told = True
                self._tell(f"The audit log cannot be written: {error.strerror}.")
