"""Downloads that may end at any instant and be gone on with: bytes at their places, and beside them which parts are whole.

The two files lie beside the target, and are named after the content that is to become it: other content finds none of it.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

from reconciler.content.writing import appearing
from reconciler.model.errors import LockedError, StateError
from reconciler.model.ids import Digest

_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_NAME: Final = 100
"""Characters of the target's name that its partial file has."""


class How(StrEnum):
    """How a part came, and so what is known of it."""

    STORED = "stored"
    """From stored bytes that hash to what the document says."""
    PLAIN = "plain"
    """As plaintext, which only the digest of the whole content proves."""


class Partial:
    """A file that is being filled, part by part."""

    def __init__(self, file: BinaryIO, notes: BinaryIO | None = None) -> None:
        self.file = file
        self.done: dict[int, How] = {}
        """The parts that are there whole, by index."""
        self.begun: dict[int, int] = {}
        """Those of which so many bytes are there, by index."""
        self._notes = notes
        if notes is not None:
            self._read(notes)

    def note(self, part: int, how: How) -> None:
        """A part is whole: on the disk first, and then in the notes."""
        self.done[part] = how
        self.begun.pop(part, None)
        self._keep()

    def mark(self, part: int, size: int) -> None:
        """So many bytes of a part are there."""
        self.begun[part] = size
        self._keep()

    def forget(self, parts: Iterable[int]) -> None:
        """These are wrong after all."""
        for part in parts:
            self.done.pop(part, None)
            self.begun.pop(part, None)
        self._keep()

    def _keep(self) -> None:
        """The file first, then the notes, all of them anew: a line that is cut off is not read."""
        if self._notes is None:
            return
        self.file.flush()
        os.fsync(self.file.fileno())
        lines = [
            *(f"{part} {how}\n" for part, how in self.done.items()),
            *(f"{part} {size}\n" for part, size in self.begun.items()),
        ]
        self._notes.seek(0)
        self._notes.truncate()
        self._notes.write("".join(sorted(lines)).encode())
        self._notes.flush()
        os.fsync(self._notes.fileno())

    def _read(self, notes: BinaryIO) -> None:
        """What was noted; what is no note is none."""
        notes.seek(0)
        for line in notes.read().splitlines(keepends=True):
            number, _, said = line.decode("ascii", "replace").partition(" ")
            if not (said.endswith("\n") and _NUMBER.fullmatch(number)):
                continue
            if said.strip() in set(How):
                self.done[int(number)] = How(said.strip())
            elif _NUMBER.fullmatch(said.strip()):
                self.begun[int(number)] = int(said)


@contextmanager
def fresh(target: Path) -> Iterator[Partial]:
    """One that begins with nothing, and leaves nothing unless the block ends well: then it is `target`."""
    with appearing(target) as file:
        yield Partial(file)


@contextmanager
def resuming(target: Path, content: Digest) -> Iterator[Partial]:
    """One that goes on with what an earlier block has left for the same target and content; `target` at the end of the block.

    Raises LockedError where another process is at it, StateError where files cannot be written.
    """
    path = target.parent / f".{target.name[:_NAME]}.{content[:16]}.part"
    beside = path.with_suffix(".done")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _opened(path, target) as file, beside.open("a+b") as notes:
            yield Partial(file, notes)
            path.replace(target)
            beside.unlink()
    except OSError as error:
        raise StateError(f"content cannot be written: {error.strerror}", where=str(target)) from error


def _opened(path: Path, target: Path) -> BinaryIO:
    """The file, which is nobody else's until it is closed."""
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_there(path, file):
                return file
            file.close()  # it has become its target meanwhile
        except BlockingIOError as error:
            file.close()
            raise LockedError(
                "another process downloads this to the same place", where=str(target), hint="wait for it to end"
            ) from error


def _is_there(path: Path, file: BinaryIO) -> bool:
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:  # who held it before has finished, and moved it away
        return False
