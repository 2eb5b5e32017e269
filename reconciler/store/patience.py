"""How long transactions wait for each other, on either database."""

from __future__ import annotations

from typing import Final

BUSY_SECONDS: Final = 30.0
"""How long a transaction waits for the one that writes."""

IDLE_SECONDS: Final = 60.0
"""After which PostgreSQL ends a transaction whose process does not go on: stopped, or cut off."""
