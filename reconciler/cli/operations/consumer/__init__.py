"""What a buyer's commands do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.cli.ondemand import submodules

if TYPE_CHECKING:
    from reconciler.cli.operations.consumer import (
        discover,
        get,
        init,
        ordering,
        pay,
        quote,
        report,
        search,
        wallet,
    )

__all__ = [
    "discover",
    "get",
    "init",
    "ordering",
    "pay",
    "quote",
    "report",
    "search",
    "wallet",
]
__getattr__ = submodules(__name__)
