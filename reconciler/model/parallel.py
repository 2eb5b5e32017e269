"""How much is done at the same time where nobody says otherwise."""

from __future__ import annotations

from typing import Final

PARALLEL: Final = 4
"""Contents that are read, and copies that are made; more than there are cores, for disks and networks that wait."""
