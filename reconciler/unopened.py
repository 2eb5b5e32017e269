"""Packages of others that are left unopened: their modules can be imported, and nothing is that the package would load besides.

The `__init__` of a library is written for those who want all of it, and every process would pay for that. It runs when somebody
asks for what only the package itself has.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any


def leave_unopened(package: str) -> None:
    """Put it among the modules as it is, unless it is there."""
    spec = None if package in sys.modules else find_spec(package)
    if spec is None:
        return
    module = module_from_spec(spec)
    module.__class__ = _Unopened
    sys.modules[package] = module
    parent, _, name = package.rpartition(".")
    if parent:
        setattr(sys.modules[parent], name, module)


class _Unopened(ModuleType):
    """A package whose modules can be imported, and whose own `__init__` runs when a name is missed in it."""

    def __getattr__(self, name: str) -> Any:
        """Whatever the package has by that name; one of its modules without opening it. Raises AttributeError."""
        if not name.startswith("__") and find_spec(f"{self.__name__}.{name}") is not None:
            return import_module(f"{self.__name__}.{name}")
        self.__class__ = ModuleType  # type: ignore[assignment]  # from now on it is like any other
        if self.__spec__ is not None and self.__spec__.loader is not None:
            self.__spec__.loader.exec_module(self)
        return getattr(self, name)
