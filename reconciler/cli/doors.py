"""The doors to the network that a command opens: as patient as whoever runs it says."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.cli.arguments import seconds
from reconciler.clients.http import HttpClient


def patience(environment: Mapping[str, str]) -> float:
    """OVERLAY_REQUEST_TIMEOUT, such as `60s`, in seconds: what every answer is given at least.

    Without it each kind of request has a time of its own, 10 s for most. Raises UsageError where it is no duration.
    """
    return seconds(environment.get("OVERLAY_REQUEST_TIMEOUT") or "0")


def door(environment: Mapping[str, str], *, public_only: bool = False) -> HttpClient:
    """A client of the environment's patience; `public_only` as there. Raises UsageError."""
    return HttpClient(public_only=public_only, patience=patience(environment))
