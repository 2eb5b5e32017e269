"""The transactions of an apply, as values: what each spends and makes, to the byte and the satoshi (PROTOCOL §4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from reconciler.model.ids import Address, Outpoint, RecordId


class TxRole(StrEnum):
    """Which of an apply's transactions one is. Declared in the order in which they are signed and sent."""

    SPLITTER = "splitter"
    """Parts the wallet's coins between the records and the advertisements."""
    ROOT = "root"
    """The records', the producer's first: the one that commits the apply."""
    ADS = "ads"
    """The advertisements'; it leaves only when the root is seen."""


class OutputRole(StrEnum):
    """What an output is for."""

    RECORD = "record"
    """A record's token."""
    AD = "ad"
    """An advertisement's token."""
    COIN = "coin"
    """Of a splitter: money for the root transaction of the same apply (key: `purse_key`)."""
    PURSE = "purse"
    """Money for this and later ads transactions (key: `purse_key`)."""
    CHANGE = "change"
    """Of a root transaction: the wallet's money (key: `change_key`)."""
    PAYOUT = "payout"
    """To the wallet's funding address, where nothing is left to be anchored in."""


@dataclass(frozen=True, slots=True)
class Made:
    """An output of another transaction of the same apply: known by its place before it has a txid."""

    role: TxRole
    vout: int

    def __str__(self) -> str:
        return f"{self.role}.{self.vout}"


Spend: TypeAlias = Outpoint | Made
"""What an input spends."""


def parse_spend(text: str) -> Spend:
    """Read the text form: `txid.vout` or `splitter.vout`. Raises ValueError."""
    head, _, tail = text.partition(".")
    if head not in set(TxRole):
        return Outpoint.parse(text)
    if not tail.isascii() or not tail.isdigit():
        raise ValueError(f"not an output of a planned transaction: {text!r}")
    return Made(TxRole(head), int(tail))


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One output. `object` is whose token it is; None where it is money."""

    role: OutputRole
    object: Address | None = None
    satoshis: int

    @property
    def record(self) -> RecordId | None:
        """The record whose token this is."""
        is_record = self.role is OutputRole.RECORD and self.object is not None
        return RecordId.parse(self.object.path) if is_record and self.object else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TxLayout:
    """A transaction to be built exactly so. Where money is missing, it is as if one more coin had brought it."""

    role: TxRole
    spends: tuple[Spend, ...]
    """All inputs, in order."""
    outputs: tuple[Output, ...]
    """All outputs, in order; the last one takes what the fee leaves, and has 0 satoshis only where money is missing."""
    size: int
    """Bytes, at most."""
    fee: int
    """Satoshis, exactly."""

    @property
    def change(self) -> int:
        """Satoshis of the last output."""
        return self.outputs[-1].satoshis
