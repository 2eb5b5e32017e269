"""Where in the producer's files something was written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class SourceSpan:
    """A place in a manifest. `file` is relative to the manifest's folder, with forward slashes; line and column from 1.

    Line 0 is the file or folder as a whole, which may not even be there.
    """

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}"
