"""Days, as sentences of a plan name them."""

from __future__ import annotations

from datetime import UTC, datetime


def day(instant: int) -> str:
    """The UTC day of `instant` (unix seconds): `2026-03-01`."""
    return datetime.fromtimestamp(instant, UTC).date().isoformat()
