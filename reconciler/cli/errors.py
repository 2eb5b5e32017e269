"""Errors as people read them: what happened, where, what to do; and the exit code that says which kind it was."""

from __future__ import annotations

from typing import Final

from reconciler.cli.views import diagnostics
from reconciler.model.errors import (
    GuardError,
    LockedError,
    ManifestError,
    OverlayError,
    PartialError,
    StalePlanError,
)

DONE: Final = 0
ERROR: Final = 1
CHANGES: Final = 2
GUARD: Final = 3
STALE: Final = 4
PARTIAL: Final = 5
LOCKED: Final = 6
INTERRUPTED: Final = 130

_CODES: Final = (
    (GuardError, GUARD),
    (StalePlanError, STALE),
    (PartialError, PARTIAL),
    (LockedError, LOCKED),
)


def exit_code(error: OverlayError) -> int:
    """The exit code of a command that ended with this error (DESIGN §8)."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ERROR)


def as_text(error: OverlayError) -> str:
    """One sentence, where, hint."""
    findings = diagnostics.lines(error.diagnostics) if isinstance(error, ManifestError) else ()
    lines = [*findings, f"Error: {error.message}."]
    if error.where:
        lines.append(f"  where: {error.where}")
    if error.hint:
        lines.append(f"  hint:  {error.hint}")
    return "\n".join(lines)


def as_json(error: OverlayError) -> dict[str, object]:
    """The same for programs."""
    found: dict[str, object] = {
        "error": error.message,
        "kind": type(error).__name__,
        "where": error.where,
        "hint": error.hint,
        "exit_code": exit_code(error),
    }
    if isinstance(error, ManifestError):
        found["diagnostics"] = diagnostics.to_json(error.diagnostics)
    return {name: value for name, value in found.items() if value is not None}
