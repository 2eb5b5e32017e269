"""A process of `overlay watch` as on a machine of its own, which is killed, or stops, at given instants of an apply.

The instants stand in a file, a line each, for all processes that apply together: whoever leads an apply and comes to the first one
crosses it out and is struck.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from reconciler.apply.books import Books
from reconciler.clients.host import HostClient
from reconciler.model.journal import EntryRole, JournalEvent
from reconciler.store.journal import JournalEntry

UNWRITTEN: Final = "before the journal is written"
UNSENT: Final = "before anything is sent"
LOCK_SENT: Final = "when only ARC knows that it has the lock"
ROOT_SENT: Final = "when only ARC knows that it has the root"
UNSUBMITTED: Final = "before anything is submitted"
SUBMITTED: Final = "after the fourth submission"
INSTANTS: Final = (UNWRITTEN, UNSENT, LOCK_SENT, ROOT_SENT, UNSUBMITTED, SUBMITTED)
"""In the order in which an apply of a large set comes to them."""

KILLED: Final = signal.SIGKILL
STOPPED: Final = signal.SIGSTOP


def write(instants: Path, how: signal.Signals, *when: str) -> None:
    """Have whoever comes there struck so, one after the other."""
    instants.write_text("".join(f"{how.name} {each}\n" for each in when), encoding="utf-8")


def install(machine: str, instants: Path) -> None:
    """Have this process believe that it is on `machine`, and struck at what `instants` says."""
    socket.gethostname = lambda: machine

    def come(instant: str) -> None:
        how, _, rest = instants.read_text(encoding="utf-8").partition(f" {instant}\n")
        if "\n" not in how and how:
            _replace(instants, rest)
            os.kill(os.getpid(), signal.Signals[how])

    _wrap(Books, "write_down", before=lambda *_: come(UNWRITTEN), after=lambda *_: come(UNSENT))
    _wrap(Books, "move", before=_at_seeing(come, {EntryRole.LOCK: LOCK_SENT, EntryRole.ROOT: ROOT_SENT}))
    _wrap(Books, "move", after=_at_seeing(come, {EntryRole.ROOT: UNSUBMITTED}))
    _wrap(HostClient, "submit", after=_at_fourth(lambda: come(SUBMITTED)))


def _replace(path: Path, text: str) -> None:
    new = path.with_suffix(f".{os.getpid()}")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def _at_seeing(come: Callable[[str], None], instants: dict[EntryRole, str]) -> Callable[..., None]:
    def look(_: Books, entry: JournalEntry, event: JournalEvent) -> None:
        if event is JournalEvent.SEE and entry.role in instants:
            come(instants[entry.role])

    return look


def _at_fourth(come: Callable[[], None]) -> Callable[..., None]:
    calls = 0

    def look(*_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls >= 4:
            come()

    return look


def _nothing(*_: Any) -> None:
    pass


def _wrap(
    kind: type, name: str, *, before: Callable[..., None] = _nothing, after: Callable[..., None] = _nothing
) -> None:
    honest = getattr(kind, name)

    async def wrapped(*arguments: Any, **more: Any) -> Any:
        before(*arguments)
        result = await honest(*arguments, **more)
        after(*arguments)
        return result

    setattr(kind, name, wrapped)
