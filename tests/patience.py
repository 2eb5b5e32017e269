"""How long tests wait for what is to come: the machines that run them may stand still for a quarter of a minute."""

from __future__ import annotations

from typing import Final

import httpx
from httpx._config import DEFAULT_TIMEOUT_CONFIG

PATIENCE: Final = 120.0
"""Seconds after which it does not come any more."""

SOON: Final = 20.0
"""Seconds within which it comes by itself: what it must not wait for takes longer, or for ever."""

REQUESTS: Final = {"OVERLAY_REQUEST_TIMEOUT": "60s"}
"""Tells commands to be patient, too."""


def be_patient() -> None:
    """Have httpx wait where a test does not say how long."""
    patient = httpx.Timeout(PATIENCE)
    for name in ("connect", "read", "write", "pool"):
        setattr(DEFAULT_TIMEOUT_CONFIG, name, getattr(patient, name))
