"""What is sold: so much of one record, by its name, or membership of a tier of consumers for so many terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Self, TypeAlias

from reconciler.model.errors import StateError
from reconciler.model.ids import Kind, RecordId, name_fault

MAX_QUANTITY: Final = 10**9

_TIMES: Final = " x "
"""Names have no spaces."""


@dataclass(frozen=True, slots=True, order=True)
class TierId:
    """A tier of consumers that one pays to be a member of: `tier/gold`. It is no record, and has no token."""

    KIND: ClassVar[str] = "tier"

    name: str

    def __post_init__(self) -> None:
        fault = name_fault(self.name)
        if fault:
            raise ValueError(f"the name {self.name!r} {fault}")

    def __str__(self) -> str:
        return f"{self.KIND}/{self.name}"

    @property
    def kind(self) -> str:
        """What it is called in the text form; no `Kind`, which is that of a record."""
        return self.KIND


Sold: TypeAlias = RecordId | TierId


def sold_id(kind: str, name: str) -> Sold:
    """What is sold under this kind and name. Raises ValueError."""
    if kind == TierId.KIND:
        return TierId(name)
    if kind not in set(Kind):
        raise ValueError(f"there is no good of the kind {kind!r:.40}")
    return RecordId(Kind(kind), name)


@dataclass(frozen=True, slots=True)
class Good:
    """A record and how much of it, never a hash or a version: one file may be two goods, and a good may have many files."""

    sold: Sold
    quantity: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.quantity <= MAX_QUANTITY:
            raise ValueError(f"not a quantity from 1 to {MAX_QUANTITY}: {self.quantity}")

    def __str__(self) -> str:
        """`kind/name`, and ` x 5` for five of it: what quotes, payments and receipts are bound to."""
        return str(self.sold) if self.quantity == 1 else f"{self.sold}{_TIMES}{self.quantity}"

    @property
    def record(self) -> RecordId:
        """The record that is sold. Raises StateError for a membership, which is none."""
        if isinstance(self.sold, TierId):
            raise StateError(f"{self.sold} is no record")
        return self.sold

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form, in its one spelling. Raises ValueError."""
        record, times, quantity = text.partition(_TIMES)
        kind, _, name = record.partition("/")
        good = cls(sold_id(kind, name), _number(quantity) if times else 1)
        if str(good) != text:
            raise ValueError(f"not the name of a good (kind/name, or kind/name x 5): {text!r:.80}")
        return good


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_QUANTITY))):
        raise ValueError(f"not a quantity: {text!r:.40}")
    return int(text)
