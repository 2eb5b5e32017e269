"""What is sold: so much of one record, by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from reconciler.model.ids import RecordId

MAX_QUANTITY: Final = 10**9

_TIMES: Final = " x "
"""Names have no spaces."""


@dataclass(frozen=True, slots=True, order=True)
class Good:
    """A record and how much of it, never a hash or a version: one file may be two goods, and a good may have many files."""

    record: RecordId
    quantity: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.quantity <= MAX_QUANTITY:
            raise ValueError(f"not a quantity from 1 to {MAX_QUANTITY}: {self.quantity}")

    def __str__(self) -> str:
        """`kind/name`, and ` x 5` for five of it: what quotes, payments and receipts are bound to."""
        return str(self.record) if self.quantity == 1 else f"{self.record}{_TIMES}{self.quantity}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form, in its one spelling. Raises ValueError."""
        record, times, quantity = text.partition(_TIMES)
        good = cls(RecordId.parse(record), _number(quantity) if times else 1)
        if str(good) != text:
            raise ValueError(f"not the name of a good (kind/name, or kind/name x 5): {text!r:.80}")
        return good


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_QUANTITY))):
        raise ValueError(f"not a quantity: {text!r:.40}")
    return int(text)
