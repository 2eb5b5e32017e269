"""The one door to bsv-sdk: what is used of it, and nothing that it would load besides.

Its package imports clients for ARC and block headers with two HTTP libraries, whoever asks for one of its modules. That takes six
times as long as what is used here, in every process. So it stays unopened, until somebody (a look-up service of another package)
asks for what only the package itself has.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any


class _Unopened(ModuleType):
    """A package whose modules can be imported, and whose own `__init__` runs when a name is missed in it."""

    def __getattr__(self, name: str) -> Any:
        """Whatever the package has by that name. Raises AttributeError."""
        self.__class__ = ModuleType  # type: ignore[assignment]  # from now on it is like any other
        if self.__spec__ is not None and self.__spec__.loader is not None:
            self.__spec__.loader.exec_module(self)
        return getattr(self, name)


def _leave_unopened(package: str) -> None:
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


for _package in ("bsv", "bsv.wallet"):
    _leave_unopened(_package)

from bsv.constants import SIGHASH, OpCode  # noqa: E402  # only after that
from bsv.hash import hash160  # noqa: E402
from bsv.keys import PrivateKey, PublicKey  # noqa: E402
from bsv.script.script import Script, ScriptChunk  # noqa: E402
from bsv.script.spend import Spend  # noqa: E402
from bsv.transaction_input import TransactionInput  # noqa: E402
from bsv.transaction_output import TransactionOutput  # noqa: E402
from bsv.wallet.key_deriver import Counterparty, CounterpartyType, KeyDeriver, Protocol  # noqa: E402

__all__ = [
    "SIGHASH",
    "Counterparty",
    "CounterpartyType",
    "KeyDeriver",
    "OpCode",
    "PrivateKey",
    "Protocol",
    "PublicKey",
    "Script",
    "ScriptChunk",
    "Spend",
    "TransactionInput",
    "TransactionOutput",
    "hash160",
]
