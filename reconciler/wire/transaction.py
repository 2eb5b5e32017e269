"""Bitcoin transactions: parse, serialise, identify.

Our own parser, not the SDK's: bsv-sdk 2.4.0 falls back to a lenient reader that accepts a transaction cut in the middle of
a script, and copies the whole buffer once for each transaction of a BEEF.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Final

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Outpoint, Txid
from reconciler.wire.reading import Reading, varint

FINAL: Final = 0xFFFFFFFF
"""The sequence number of an input that waits for nothing."""


def double_sha256(data: bytes) -> bytes:
    """Bitcoin's hash."""
    return sha256(sha256(data).digest()).digest()


@dataclass(frozen=True, slots=True)
class TxInput:
    """Spends `outpoint`; `unlocking` is empty before signing."""

    outpoint: Outpoint
    unlocking: bytes = b""
    sequence: int = FINAL


@dataclass(frozen=True, slots=True)
class TxOutput:
    """Pays `satoshis` to whoever can unlock `locking`. The amount is as found: range is spv's business."""

    satoshis: Satoshis
    locking: bytes

    def to_bytes(self) -> bytes:
        """As it stands in a transaction."""
        return self.satoshis.to_bytes(8, "little") + varint(len(self.locking)) + self.locking


@dataclass(frozen=True)
class Transaction:
    """One transaction, signed or not."""

    inputs: tuple[TxInput, ...]
    outputs: tuple[TxOutput, ...]
    version: int = 1
    lock_time: int = 0

    @cached_property
    def raw(self) -> bytes:
        """The bytes that are broadcast and hashed."""
        parts = [self.version.to_bytes(4, "little"), varint(len(self.inputs))]
        for spent in self.inputs:
            parts += (spent.outpoint.to_bytes(), varint(len(spent.unlocking)), spent.unlocking)
            parts.append(spent.sequence.to_bytes(4, "little"))
        parts.append(varint(len(self.outputs)))
        parts += (output.to_bytes() for output in self.outputs)
        parts.append(self.lock_time.to_bytes(4, "little"))
        return b"".join(parts)

    @cached_property
    def txid(self) -> Txid:
        """The transaction's id, in display order."""
        return Txid(double_sha256(self.raw)[::-1].hex())

    def outpoint(self, vout: int) -> Outpoint:
        """The outpoint of one of its outputs."""
        return Outpoint(self.txid, vout)


def read_transaction(reading: Reading) -> Transaction:
    """Read one transaction out of a longer buffer. Raises VerificationError."""
    start = reading.position
    version = reading.integer(4)
    inputs = tuple(
        TxInput(Outpoint.from_bytes(reading.take(36)), reading.take(reading.varint()), reading.integer(4))
        for _ in range(reading.count(41))
    )
    outputs = tuple(
        TxOutput(Satoshis(reading.integer(8)), reading.take(reading.varint())) for _ in range(reading.count(9))
    )
    transaction = Transaction(inputs, outputs, version, reading.integer(4))
    if len(transaction.raw) != reading.position - start:
        raise VerificationError("a transaction's lengths are not in their shortest form")
    return transaction


def parse_transaction(raw: bytes) -> Transaction:
    """Parse exactly one transaction. Raises VerificationError."""
    reading = Reading(raw, "the transaction")
    transaction = read_transaction(reading)
    reading.end()
    return transaction


def spent_txids(raw: bytes) -> tuple[bytes, ...]:
    """The ids, 32 bytes in display order, of what a transaction spends, each once; its outputs are not looked at."""
    reading = Reading(raw, "the transaction")
    reading.position = 4  # after the version
    found = []
    for _ in range(reading.count(41)):
        found.append(reading.take(36)[31::-1])
        script = reading.varint()
        reading.position += script + 4  # and the sequence number
    return tuple(dict.fromkeys(found))
