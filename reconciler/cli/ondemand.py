"""Modules that are imported when they are first named: the one place where this program imports anything late (PEP 562).

A command is a pair: what may be typed (`cli/commands`), which help and completion need as well, and what is then done
(`cli/operations`), with whatever that stands on. Both are reached by this, so that a command loads what it needs itself.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType


def submodules(package: str) -> Callable[[str], ModuleType]:
    """The `__getattr__` of a package whose `__init__` imports none of its modules."""

    def find(name: str) -> ModuleType:
        path = f"{package}.{name}"
        try:
            return import_module(path)
        except ModuleNotFoundError as error:
            if error.name != path:
                raise
        raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name)

    return find
