"""Extended Format (BRC-30, BIP-239): a transaction that carries the outputs it spends, so that its receiver can check it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Outpoint
from reconciler.wire.reading import Reading, varint
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

_MARKER: Final = bytes.fromhex("0000000000ef")
"""Stands where a plain transaction counts its inputs; no plain transaction parses this way."""


@dataclass(frozen=True)
class Extended:
    """A transaction and, input by input, the output that it spends. Nothing vouches for those but the sender."""

    transaction: Transaction
    spent: tuple[TxOutput, ...]

    def __post_init__(self) -> None:
        if len(self.spent) != len(self.transaction.inputs):
            raise ValueError(f"{len(self.spent)} spent outputs for {len(self.transaction.inputs)} inputs")

    def to_bytes(self) -> bytes:
        """The bytes that a broadcaster takes."""
        transaction = self.transaction
        parts = [transaction.version.to_bytes(4, "little"), _MARKER, varint(len(transaction.inputs))]
        for spending, spent in zip(transaction.inputs, self.spent, strict=True):
            parts += (spending.outpoint.to_bytes(), varint(len(spending.unlocking)), spending.unlocking)
            parts += (spending.sequence.to_bytes(4, "little"), spent.to_bytes())
        parts.append(varint(len(transaction.outputs)))
        parts += (output.to_bytes() for output in transaction.outputs)
        parts.append(transaction.lock_time.to_bytes(4, "little"))
        return b"".join(parts)


def is_extended(data: bytes) -> bool:
    """Whether these bytes begin like Extended Format."""
    return data[4:10] == _MARKER


def read_extended(reading: Reading) -> Extended:
    """Read one out of a longer buffer. Raises VerificationError."""
    start = reading.position
    version = reading.integer(4)
    if reading.take(len(_MARKER)) != _MARKER:
        raise VerificationError("the transaction is not in extended format")
    inputs: list[TxInput] = []
    spent: list[TxOutput] = []
    for _ in range(reading.count(50)):
        outpoint = Outpoint.from_bytes(reading.take(36))
        inputs.append(TxInput(outpoint, reading.take(reading.varint()), reading.integer(4)))
        spent.append(_read_output(reading))
    outputs = tuple(_read_output(reading) for _ in range(reading.count(9)))
    extended = Extended(Transaction(tuple(inputs), outputs, version, reading.integer(4)), tuple(spent))
    if len(extended.to_bytes()) != reading.position - start:
        raise VerificationError("a transaction's lengths are not in their shortest form")
    return extended


def parse_extended(data: bytes) -> Extended:
    """Parse exactly one. Raises VerificationError."""
    reading = Reading(data, "the extended transaction")
    extended = read_extended(reading)
    reading.end()
    return extended


def _read_output(reading: Reading) -> TxOutput:
    return TxOutput(Satoshis(reading.integer(8)), reading.take(reading.varint()))
