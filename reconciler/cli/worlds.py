"""Servers in this process: our own host, and the embedded world. Loaded when the first of them is spoken to (cli/ondemand.py)."""

from __future__ import annotations

from reconciler.devnet.hosts import own_host
from reconciler.devnet.world import ToyWorld

__all__ = ["ToyWorld", "own_host"]
