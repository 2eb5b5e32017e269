"""Files of a cache that nobody else may have written, and that say whether they are whole. They may be deleted at any time."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

import reconciler
from reconciler.model.errors import StateError

_MOST: Final = 16
"""Files in a folder, the youngest."""
_LIBRARIES: Final = ("yaml", "pydantic", "pydantic_core", "rfc8785")


@dataclass(frozen=True, slots=True)
class Shelf:
    """A folder of such files, each in a few lines of bytes."""

    folder: Path

    def get(self, name: str) -> Sequence[bytes] | None:
        """The lines of a file; None where it is not there, not whole, or was within the reach of others."""
        try:
            with (self.folder / name).open("rb") as stream:
                status = os.fstat(stream.fileno())
                if status.st_uid != os.geteuid() or status.st_mode & 0o077:
                    return None
                checksum, _, text = stream.read().partition(b"\n")
        except OSError:
            return None
        return text.split(b"\n") if _digest(text) == checksum else None

    def put(self, name: str, lines: Iterable[bytes]) -> None:
        """Write a file in one step, and let the oldest go. Raises StateError where nothing can be written."""
        text = b"\n".join(lines)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self.folder, prefix=".", delete=False) as stream:
                stream.write(_digest(text) + b"\n" + text)
            Path(stream.name).replace(self.folder / name)
            self._tidy()
        except OSError as error:
            raise StateError("the cache cannot be written", where=str(self.folder)) from error

    def _tidy(self) -> None:
        known = []
        for entry in os.scandir(self.folder):
            try:
                known.append((entry.stat().st_mtime_ns, entry.path))
            except FileNotFoundError:  # another process has tidied up
                continue
        for _, path in sorted(known)[:-_MOST]:
            Path(path).unlink(missing_ok=True)


def program(packages: Iterable[str]) -> list[object]:
    """What tells one state of this program from another: the modules of these packages of its own, and the libraries."""
    home = Path(reconciler.__file__).parent
    modules = [
        (entry.name, status.st_size, status.st_mtime_ns)
        for package in packages
        for entry in sorted(os.scandir(home / package), key=lambda entry: entry.name)
        if entry.name.endswith(".py")
        for status in [entry.stat()]
    ]
    origins = [Path(spec.origin) for name in _LIBRARIES if (spec := find_spec(name)) is not None and spec.origin]
    libraries = [(str(origin), origin.stat().st_mtime_ns, origin.stat().st_ino) for origin in origins]
    return [reconciler.__version__, sys.version, _digest(repr(modules).encode()).decode(), libraries]


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()
