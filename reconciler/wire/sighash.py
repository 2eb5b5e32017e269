"""What a signature in a transaction signs: the BIP143 digest that BSV uses wherever the FORKID bit is set."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from reconciler.wire.reading import varint
from reconciler.wire.transaction import Transaction, TxOutput, double_sha256

ALL: Final = 0x41
"""ALL|FORKID: signs every input and every output. The only type this program signs with."""

NONE: Final = 0x42
SINGLE: Final = 0x43
ANYONE_CAN_PAY: Final = 0x80

_BASE: Final = 0x1F
_NOTHING: Final = bytes(32)


@dataclass(frozen=True)
class Commitments:
    """The parts of the preimage that all inputs of a transaction share, each hashed once.

    Without this, signing or checking n inputs hashes the n outpoints n times.
    """

    transaction: Transaction

    @cached_property
    def prevouts(self) -> bytes:
        """Over every outpoint spent."""
        return double_sha256(b"".join(spent.outpoint.to_bytes() for spent in self.transaction.inputs))

    @cached_property
    def sequences(self) -> bytes:
        """Over every sequence number."""
        return double_sha256(b"".join(spent.sequence.to_bytes(4, "little") for spent in self.transaction.inputs))

    @cached_property
    def outputs(self) -> bytes:
        """Over every output."""
        return double_sha256(b"".join(output.to_bytes() for output in self.transaction.outputs))

    def preimage(self, index: int, spent: TxOutput, sighash: int = ALL) -> bytes:
        """The bytes signed for input `index`, which spends `spent` (its script from the last code separator on)."""
        base = sighash & _BASE
        alone = bool(sighash & ANYONE_CAN_PAY)
        spending = self.transaction.inputs[index]
        return b"".join(
            (
                self.transaction.version.to_bytes(4, "little"),
                _NOTHING if alone else self.prevouts,
                _NOTHING if alone or base in {NONE & _BASE, SINGLE & _BASE} else self.sequences,
                spending.outpoint.to_bytes(),
                varint(len(spent.locking)),
                spent.locking,
                spent.satoshis.to_bytes(8, "little"),
                spending.sequence.to_bytes(4, "little"),
                self._outputs_for(index, base),
                self.transaction.lock_time.to_bytes(4, "little"),
                sighash.to_bytes(4, "little"),
            )
        )

    def _outputs_for(self, index: int, base: int) -> bytes:
        if base == NONE & _BASE:
            return _NOTHING
        if base != SINGLE & _BASE:
            return self.outputs
        outputs = self.transaction.outputs
        return double_sha256(outputs[index].to_bytes()) if index < len(outputs) else _NOTHING


def preimage(tx: Transaction, index: int, spent: TxOutput) -> bytes:
    """The bytes that the signature of input `index` signs, ALL|FORKID; the digest is their double SHA-256.

    To sign many inputs of one transaction, make `Commitments` once and ask it for each.
    """
    return Commitments(tx).preimage(index, spent)
