"""The `overlay` command: arguments, one operation, one view each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.cli.ondemand import submodules

if TYPE_CHECKING:
    from reconciler.cli import compiling, worlds

__all__ = ["compiling", "worlds"]
__getattr__ = submodules(__name__)
