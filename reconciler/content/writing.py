"""Writing a file that either stands there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from reconciler.model.errors import StateError


@contextmanager
def appearing(path: Path) -> Iterator[BinaryIO]:
    """An empty file that appears at `path` at the end of the block, unless the block raises.

    Of several writers of one path, all succeed, and the last one's file stays. Raises StateError where it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    except OSError as error:
        raise StateError(f"content cannot be written: {error.strerror}", where=str(path)) from error
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
        Path(name).replace(path)
    except OSError as error:
        raise StateError(f"content cannot be written: {error.strerror}", where=str(path)) from error
    finally:
        Path(name).unlink(missing_ok=True)
