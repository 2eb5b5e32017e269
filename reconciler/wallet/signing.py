"""Signing a whole transaction: every input ours, every key named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from reconciler.model.ids import Outpoint
from reconciler.model.keys import KeyRef
from reconciler.wallet.keys import Keys
from reconciler.wire.script import unlock_p2pkh, unlock_pushdrop
from reconciler.wire.sighash import preimage
from reconciler.wire.transaction import Transaction, TxInput, TxOutput, double_sha256


class Lock(StrEnum):
    """How an output is locked, hence how it is unlocked."""

    P2PKH = "p2pkh"
    PUSHDROP = "pushdrop"


@dataclass(frozen=True, slots=True)
class Spendable:
    """An output of ours, with what it takes to spend it."""

    outpoint: Outpoint
    output: TxOutput
    key: KeyRef
    lock: Lock


def signed(inputs: Sequence[Spendable], outputs: Sequence[TxOutput], keys: Keys) -> Transaction:
    """The transaction that spends `inputs` to `outputs` in the order given, signed SIGHASH_ALL throughout."""
    unsigned = Transaction(tuple(TxInput(spent.outpoint) for spent in inputs), tuple(outputs))
    return replace(
        unsigned,
        inputs=tuple(
            TxInput(spent.outpoint, _unlock(unsigned, index, spent, keys)) for index, spent in enumerate(inputs)
        ),
    )


def _unlock(unsigned: Transaction, index: int, spent: Spendable, keys: Keys) -> bytes:
    digest = double_sha256(preimage(unsigned, index, spent.output))
    signature = keys.sign_digest(spent.key, digest)
    match spent.lock:
        case Lock.P2PKH:
            return unlock_p2pkh(signature, keys.public(spent.key))
        case Lock.PUSHDROP:
            return unlock_pushdrop(signature)
