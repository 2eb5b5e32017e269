"""The transactions of an apply, as values: what each spends and makes, to the byte and the satoshi (PROTOCOL §4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from reconciler.model.ids import Address, Outpoint, RecordId


class TxRole(StrEnum):
    """Which of an apply's transactions one is. Declared in the order in which they are signed and sent."""

    SPLITTER = "splitter"
    """Parts the wallet's coins between storage, the records and the advertisements."""
    POUCH = "pouch"
    """Where many payments are due: parts money of the splitter between some of them."""
    PAYMENT = "payment"
    """Pays a storage host for one part of a content; it leaves before anything is published."""
    LOCK = "lock"
    """Of a large set: spends the live root, makes it pending, and funds every batch."""
    BATCH = "batch"
    """Of a large set: makes some of the new tokens, and spends nothing but its funding."""
    ROOT = "root"
    """The one that commits the apply: spends the live root, or the pending one and an output of every batch."""
    SWEEP = "sweep"
    """Spends tokens that the new root covers no longer, where they are many; it leaves only when the root is seen."""
    END = "end"
    """Where many tokens are destroyed: spends the last root and an output of every sweep."""
    ADS = "ads"
    """The advertisements'; it leaves only when the root is seen."""


class OutputRole(StrEnum):
    """What an output is for."""

    RECORD = "record"
    """A record's token."""
    AD = "ad"
    """An advertisement's token."""
    COIN = "coin"
    """Of a splitter: money for the root transaction of the same apply, at the funding address."""
    PURSE = "purse"
    """Money for this and later ads transactions (key: `purse_key`)."""
    POUCH = "pouch"
    """Of a splitter: money for one pouch, at the funding address."""
    STORAGE = "storage"
    """Of a splitter or a pouch: money for one payment, at the funding address, where it stays should nobody ask for it."""
    PAYMENT = "payment"
    """A storage host's, under a key that BRC-29 derives for it; satoshis at most."""
    FUNDING = "funding"
    """Of a lock: money for one batch (key: `batch_key`)."""
    LINK = "link"
    """Of a batch or a sweep: what the transaction spends that is nothing without it (keys: `batch_key`, `sweep_key`)."""
    SWEEPING = "sweeping"
    """Of a root transaction: money for one sweep (key: `sweep_key`)."""
    CHANGE = "change"
    """Of a lock or a root transaction: the wallet's money (key: `change_key`)."""
    PAYOUT = "payout"
    """To the wallet's funding address, where nothing is left to be anchored in."""


NUMBERED: Final = frozenset({TxRole.POUCH, TxRole.PAYMENT, TxRole.BATCH, TxRole.SWEEP})
"""Of these an apply may have several; of every other role it has one at most."""


PAYING: Final = frozenset({TxRole.SPLITTER, TxRole.POUCH, TxRole.PAYMENT})
"""What storage is paid by."""


@dataclass(frozen=True, slots=True)
class Made:
    """An output of another transaction of the same apply: known by its place before it has a txid."""

    role: TxRole
    vout: int
    index: int = 0
    """Which of several, for numbered roles."""

    @property
    def transaction(self) -> str:
        """The name of the transaction that makes it."""
        return _name(self.role, self.index)

    def __str__(self) -> str:
        return f"{self.transaction}.{self.vout}"


Spend: TypeAlias = Outpoint | Made
"""What an input spends."""


def parse_spend(text: str) -> Spend:
    """Read the text form: `txid.vout`, `splitter.vout` or `batch-3.vout`. Raises ValueError."""
    head, _, tail = text.partition(".")
    name, dash, number = head.partition("-")
    if name not in set(TxRole):
        return Outpoint.parse(text)
    role = TxRole(name)
    if not _is_number(tail) or (_is_number(number) if dash else False) is not (role in NUMBERED):
        raise ValueError(f"not an output of a planned transaction: {text!r}")
    return Made(role, int(tail), int(number or 0))


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
    index: int = 0
    """Which of several, for numbered roles."""
    spends: tuple[Spend, ...]
    """All inputs, in order."""
    outputs: tuple[Output, ...]
    """All outputs, in order. Of a payment, what the host asks less than planned is paid back by one more, which is in size and fee."""
    size: int
    """Bytes, at most."""
    fee: int
    """Satoshis, exactly."""

    @property
    def name(self) -> str:
        """What it is called in its apply: its role, and its number where there are several."""
        return _name(self.role, self.index)

    @property
    def change(self) -> int:
        """Satoshis of the last output."""
        return self.outputs[-1].satoshis

    @property
    def records(self) -> tuple[RecordId, ...]:
        """The records whose tokens it makes, in output order."""
        return tuple(output.record for output in self.outputs if output.record)


def _name(role: TxRole, index: int) -> str:
    return f"{role}-{index}" if role in NUMBERED else role.value


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
