"""What holds of every set of manifests, and is asked before any is read."""

from __future__ import annotations

from typing import Final

ENDINGS: Final = (".yaml", ".yml")
"""Of the files that are manifests."""
MAX_REVENUE_SPLITS: Final = 10
"""Shares of one payment rule; the environment's MAX_REVENUE_SPLITS sets another number."""
