"""The one door to bsv-sdk: what is used of it, and nothing that it would load besides.

Its package imports clients for ARC and block headers with two HTTP libraries, whoever asks for one of its modules. That takes six
times as long as what is used here, in every process. So it stays unopened, until somebody (a look-up service of another package)
asks for what only the package itself has.
"""

from __future__ import annotations

from reconciler.unopened import leave_unopened

for _package in ("bsv", "bsv.wallet"):
    leave_unopened(_package)

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
