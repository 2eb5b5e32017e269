"""Files that are read as if they were one: a dataset's content may be several, one after the other."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

_BUFFER: Final = 64 * 1024


def open_joined(paths: Sequence[Path]) -> io.BufferedReader:
    """The bytes of files, one after the other; of any number, for only one is open at a time.

    The stream can be read, and sought from its beginning. Both raise OSError, which names the file.
    """
    return io.BufferedReader(_Joined(paths), _BUFFER)


class _Joined(io.RawIOBase):
    """The stream without a buffer. Where a file begins follows from the sizes of those before it, when it is sought."""

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__()
        self._paths = paths
        self._next = 0
        """Index of the file that is opened when there is none."""
        self._file: io.FileIO | None = None
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a writable buffer with at most what is left of one file; 0 only behind the last."""
        view = memoryview(buffer)
        while view and (file := self._current()) is not None:
            if count := file.readinto(view):
                self._at += count
                return count
            self._leave()
        return 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Only from the beginning. Behind the end there is nothing to be read, and no error."""
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation("joined files are sought from their beginning only")
        self._leave()
        self._next, within = self._locate(offset)
        file = self._current()
        if file is not None:
            file.seek(within)
        self._at = offset
        return offset

    def close(self) -> None:
        self._leave()
        super().close()

    def _locate(self, offset: int) -> tuple[int, int]:
        """The file in which an offset lies, and where in it."""
        for index, path in enumerate(self._paths):
            size = path.stat().st_size
            if offset < size:
                return index, offset
            offset -= size
        return len(self._paths), 0

    def _current(self) -> io.FileIO | None:
        """The open file, or the next one; None behind the last."""
        if self._file is None and self._next < len(self._paths):
            self._file = self._paths[self._next].open("rb", buffering=0)
            self._next += 1
        return self._file

    def _leave(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
