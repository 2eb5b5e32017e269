"""An operation from its start to its exit code, in the only event loop of the process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from reconciler.cli import errors
from reconciler.cli.console import Console


def run(work: Coroutine[Any, Any, int], console: Console) -> int:
    """Until it ends or is interrupted. Raises what it raises."""
    try:
        return asyncio.run(work)
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.complain("Interrupted. The state is safe; repeat the command to go on.")
        return errors.INTERRUPTED
